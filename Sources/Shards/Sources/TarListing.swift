import Base
import CArchive
import Foundation

/// A regular file in a tar archive.
struct TarMember: Sendable {
    /// Components of its path, without "." and empty ones.
    let path: [ExactName]
    /// Range of its contents in the archive's file.
    let range: Range<Int>

    /// The last component.
    var name: ExactName { path.last ?? ExactName("") }
}

/// The regular files of the tar archive in the bytes `range` of `file`, in order. `name` is the archive's name in messages.
///
/// Reads headers only. Hard links are resolved; other links are ignored. Throws `Failure` if it is not a tar archive, is corrupt or
/// truncated, or has sparse files.
func listTar(_ file: SourceFile, range: Range<Int>, name: String) throws -> [TarMember] {
    let archive = archive_read_new()
    defer { archive_read_free(archive) }
    let window = TarWindow(file: file, range: range)
    func failure(_ problem: String) -> Failure {
        window.failure ?? Failure("\(name) \(problem)", hint: "fetch or make the archive again")
    }
    archive_read_support_format_tar(archive)
    let status = archive_read_open2(
        archive, Unmanaged.passUnretained(window).toOpaque(), nil,
        { _, window, block in
            let window = Unmanaged<TarWindow>.fromOpaque(window!).takeUnretainedValue()
            return window.read(block!)
        },
        { _, window, count in
            Unmanaged<TarWindow>.fromOpaque(window!).takeUnretainedValue().skip(Int(count))
        }, nil)
    guard status == ARCHIVE_OK else { throw failure("is not a tar archive: \(archiveMessage(archive))") }

    var members: [TarMember] = []
    // A table of paths is built only if there are hard links, which is rare.
    var byPath: [[ExactName]: Int]?
    var end = range.lowerBound
    while true {
        var entry: OpaquePointer?
        let status = archive_read_next_header(archive, &entry)
        if status == ARCHIVE_EOF { break }
        guard status == ARCHIVE_OK || status == ARCHIVE_WARN else {
            throw failure("is damaged or no tar archive: \(archiveMessage(archive))")
        }
        // libarchive has consumed the header so far.
        let start = range.lowerBound + Int(archive_filter_bytes(archive, 0))
        guard let text = archive_entry_pathname(entry) ?? archive_entry_pathname_utf8(entry) else {
            throw failure("has a member whose name cannot be read")
        }
        let path = components(nameText(text))
        let name = path.map(\.text).joined(separator: "/")
        if let target = archive_entry_hardlink(entry) {
            let table = byPath ?? Dictionary(members.enumerated().map { ($1.path, $0) }) { _, last in last }
            byPath = table
            guard let index = table[components(nameText(target))] else {
                throw failure("has a link \(name) to what it does not hold")
            }
            members.append(TarMember(path: path, range: members[index].range))
            continue
        }
        guard archive_entry_filetype(entry) == 0o100000 else { continue }
        let size = Int(archive_entry_size(entry))
        guard size >= 0, size <= range.upperBound - start else {
            throw failure("is cut short: it ends inside of \(name)")
        }
        guard archive_entry_sparse_count(entry) == 0 else {
            throw failure("stores \(name) as a sparse file")
        }
        byPath?[path] = members.count
        members.append(TarMember(path: path, range: start..<start + size))
        end = start + (size + 511) / 512 * 512
    }
    if let failure = window.failure { throw failure }
    guard range.upperBound >= end + 512 else { throw failure("is cut short: it has no end mark") }
    return members
}

private func nameText(_ name: UnsafePointer<CChar>) -> String {
    FileName.text(UnsafeRawBufferPointer(start: name, count: strlen(name)))
}

/// The parts of a path in an archive.
func components(_ path: String) -> [ExactName] {
    ExactName.parts(of: path).filter { $0 != ExactName(".") }
}

/// Passes an archive to libarchive in small blocks, since only headers are read.
private final class TarWindow {
    let file: SourceFile
    let range: Range<Int>
    var position: Int
    var failure: Failure?
    private let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 64)

    init(file: SourceFile, range: Range<Int>) {
        self.file = file
        self.range = range
        position = range.lowerBound
    }

    deinit { block.deallocate() }

    /// The size of the next block, stored at `start`; -1 after a failure.
    func read(_ start: UnsafeMutablePointer<UnsafeRawPointer?>) -> Int {
        let wanted = UnsafeMutableRawBufferPointer(rebasing: block.prefix(range.upperBound - position))
        do {
            let count = try file.read(into: wanted, at: position)
            position += count
            start.pointee = UnsafeRawPointer(block.baseAddress)
            return count
        } catch {
            failure = error as? Failure
            return -1
        }
    }

    /// The number of bytes skipped, at most `count`.
    func skip(_ count: Int) -> Int64 {
        let step = min(count, range.upperBound - position)
        position += step
        return Int64(step)
    }
}
