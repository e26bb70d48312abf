import Foundation

/// Reads from the open file `descriptor` at byte `offset` until `target` is full or the file ends; `path` is for messages. Returns the
/// number of bytes. Throws `Failure` with the system's reason.
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
        WorkDone.add()
    }
    return done
}

/// Free bytes on the file system of the directory `path`; 0 if unknown.
package func freeBytes(in path: String) -> Int {
    let attributes = try? FileManager.default.attributesOfFileSystem(forPath: path)
    return (attributes?[.systemFreeSize] as? NSNumber)?.intValue ?? 0
}
