import Foundation

/// Reads the file `path`, which is open as `descriptor`, from byte `offset` on until `target` is full or the file ends. Returns the
/// number of bytes; throws `Failure` with the system's reason.
package func readBytes(
    into target: UnsafeMutableRawBufferPointer, from descriptor: Int32, at offset: Int, path: String
) throws -> Int {
    var done = 0
    while done < target.count {
        let got = pread(descriptor, target.baseAddress! + done, target.count - done, off_t(offset + done))
        if got < 0 && errno == EINTR { continue }
        guard got >= 0 else { throw systemFailure("cannot read \(path)") }
        if got == 0 { break }
        done += got
    }
    return done
}
