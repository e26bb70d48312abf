import Base
import Foundation
import Images

extension ShardSource {
    /// The contents of an item, for `image`.
    ///
    /// Throws `Failure` if the file is gone, unreadable, damaged or larger than 1 GiB, and `MachineFailure` if the file system fails or an
    /// archive was changed.
    func contents(of item: Item) throws -> [UInt8] {
        switch item.place {
        case .file:
            return try ownFile(item.label < 0 ? item.name : folders[item.label] + "/" + item.name)
        case .part(let file, let offset, let size):
            try requireReadable(size: size)
            return try blamingMachine { try files[file].bytes(size, at: offset) }
        case .zipped(let file, let header, let stored, let size, let checksum):
            try requireReadable(size: max(stored, size))
            let member = try blamingMachine { try ZipMember.stored(in: files[file], header: header, count: stored) }
            return try ZipMember.contents(member.bytes, method: member.method, size: size, checksum: checksum)
        case .cell(let page, let row):
            guard let pages else { throw Failure("the tables are gone", hint: "start again") }
            return try pages.value(page: page, row: row, files: files)
        }
    }

    /// The image with the contents `bytes`, of at most `pixelLimit` pixels; `reserve` is called before it is decoded. Throws `Failure` if it
    /// cannot be decoded, and what `reserve` throws.
    func image(_ bytes: [UInt8], pixelLimit: Int, reserve: (ImageHeader) throws -> Void) throws -> Image {
        if let raw { return try raw.image(bytes, pixelLimit: pixelLimit) }
        return try ImageDecoder.decode(bytes, pixelLimit: pixelLimit, reserve: reserve)
    }

    /// The contents of the file `inner` in the source's directory.
    private func ownFile(_ inner: String) throws -> [UInt8] {
        // What was a file when it was listed may be a FIFO by now; without O_NONBLOCK, opening it would wait.
        let file = path + "/" + inner
        let descriptor = open(FileName.path(path, inner), O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            let isOfTheFile = [ENOENT, EACCES, EPERM, ELOOP].contains(errno)
            throw isOfTheFile
                ? systemFailure("cannot open the file") : MachineFailure(systemFailure("cannot open \(file)"))
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw MachineFailure(systemFailure("cannot read \(file)")) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw Failure("it is no longer a regular file", hint: "leave it out")
        }
        let size = Int(status.st_size)
        try requireReadable(size: size)
        return try blamingMachine {
            try [UInt8](unsafeUninitializedCapacity: size) { bytes, initialised in
                initialised = try readBytes(
                    into: UnsafeMutableRawBufferPointer(bytes), from: descriptor, at: 0, path: file)
            }
        }
    }

    private func requireReadable(size: Int) throws {
        guard size <= 1 << 30 else { throw Failure("the file has \(size) bytes", hint: "leave it out") }
    }
}

/// Runs `body`, whose failures are not the item's.
func blamingMachine<Result>(_ body: () throws -> Result) throws -> Result {
    do { return try body() } catch let failure as Failure { throw MachineFailure(failure) }
}
