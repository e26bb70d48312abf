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

/// What a tar archive holds, in order.
struct TarListing {
    /// Its regular files.
    var members: [TarMember] = []
    /// The paths of its directories.
    var folders: [[ExactName]] = []
}

/// The regular files and the directories of the tar archive in the bytes `range` of `file`, or of several strung together, in order. `name` is the archive's
/// name in messages.
///
/// Reads headers only. Hard links are resolved; other links are ignored. Of members of one path the last counts. What does not count is
/// added to `passedOver`. Throws `Failure` if it is not a tar archive, is corrupt or truncated, or has sparse files.
func listTar(_ file: SourceFile, range: Range<Int>, name: String, passedOver: inout PassedOver) throws -> TarListing {
    let archive = archive_read_new()
    defer { archive_read_free(archive) }
    let window = TarWindow(file: file, range: range)
    func failure(_ problem: String) -> Failure {
        window.failure ?? Failure("\(name) \(problem)", hint: "fetch or make the archive again")
    }
    archive_read_support_format_tar(archive)
    // Otherwise what follows the first end mark would be left out without a word.
    guard archive_read_set_option(archive, "tar", "read_concatenated_archives", "1") == ARCHIVE_OK else {
        throw failure("cannot be read by this libarchive: \(archiveMessage(archive))")
    }
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

    var listing = TarListing()
    // For hard links, and for members that replace others.
    var places: [[ExactName]: Int] = [:]
    var replaced: Set<Int> = []
    func add(_ member: TarMember) {
        if let earlier = places.updateValue(listing.members.count, forKey: member.path) { replaced.insert(earlier) }
        listing.members.append(member)
    }
    var end = range.lowerBound
    while true {
        var entry: OpaquePointer?
        let status = archive_read_next_header(archive, &entry)
        if status == ARCHIVE_EOF { break }
        if status != ARCHIVE_OK, status != ARCHIVE_WARN, try file.hasEndMark(at: end, before: range.upperBound) {
            passedOver[.behindEnd] += 1
            break
        }
        guard status == ARCHIVE_OK || status == ARCHIVE_WARN else {
            throw failure("is damaged or no tar archive: \(archiveMessage(archive))")
        }
        // libarchive has consumed the header so far.
        let start = range.lowerBound + Int(archive_filter_bytes(archive, 0))
        end = start
        guard let text = archive_entry_pathname(entry) ?? archive_entry_pathname_utf8(entry) else {
            throw failure("has a member whose name cannot be read")
        }
        let path = components(nameText(text))
        let member = joined(path)
        if let target = archive_entry_hardlink(entry) {
            guard let index = places[components(nameText(target))] else {
                throw failure("has a link \(member) to what it does not hold")
            }
            add(TarMember(path: path, range: listing.members[index].range))
            continue
        }
        let kind = archive_entry_filetype(entry)
        if kind == 0o040000 { listing.folders.append(path) }
        guard kind == 0o100000 else { continue }
        // Its size is that of the file with its holes.
        guard archive_entry_sparse_count(entry) == 0 else {
            throw Failure(
                "\(name) stores \(member) as a sparse file, without its holes",
                hint: "make the archive again without tar -S")
        }
        let size = Int(archive_entry_size(entry))
        guard size >= 0, size <= range.upperBound - start else {
            throw failure("is cut short: it ends inside of \(member)")
        }
        add(TarMember(path: path, range: start..<start + size))
        end = start + (size + 511) / 512 * 512
    }
    if let failure = window.failure { throw failure }
    guard range.upperBound >= end + 512 else { throw failure("is cut short: it has no end mark") }
    passedOver[.replaced] += replaced.count
    if !replaced.isEmpty {
        listing.members = listing.members.enumerated().filter { !replaced.contains($0.offset) }.map(\.element)
    }
    return listing
}

extension SourceFile {
    /// Whether the block at `offset`, which is in the archive up to `end`, is the end mark of a tar archive.
    fileprivate func hasEndMark(at offset: Int, before end: Int) throws -> Bool {
        try offset + 512 <= end && bytes(512, at: offset).allSatisfy { $0 == 0 }
    }
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
