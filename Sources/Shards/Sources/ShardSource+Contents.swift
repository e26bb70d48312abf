import Base
import Foundation
import Images

extension ShardSource {
    /// The contents of an item.
    ///
    /// Throws `Failure` if the file is gone, unreadable, damaged or larger than 1 GiB, and `MachineFailure` if the file system fails or an
    /// archive was changed.
    func contents(of item: Item) throws -> [UInt8] {
        switch item.place {
        case .file:
            return try ownFile(ownName(of: item))
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

    /// The contents of an item, and the image in it in `format`, of at most `pixelLimit` pixels; `reserve` is called before it is decoded.
    ///
    /// Throws `Failure` if it cannot be read or decoded, `MachineFailure` as `contents(of:)`, and what `reserve` throws.
    func image(
        of item: Item, as format: PixelFormat, pixelLimit: Int, reserve: (ImageHeader) throws -> Void
    ) throws -> (contents: [UInt8], image: Image) {
        if let raw {
            try reserve(raw.header(as: format, pixelLimit: pixelLimit))
            let contents = try contents(of: item)
            return (contents, try raw.image(contents, as: format))
        }
        let contents = try contents(of: item)
        return (
            contents, try ImageDecoder.decode(contents, as: format, pixelLimit: pixelLimit, reserve: reserve)
        )
    }

    /// The name in the source's directory of an item that is a file of its own.
    func ownName(of item: Item) -> String {
        item.label < 0 ? item.name : folders[item.label] + "/" + item.name
    }

    private func ownFile(_ inner: String) throws -> [UInt8] {
        let (descriptor, size) = try openOwnFile(inner)
        defer { close(descriptor) }
        return try blamingMachine {
            try [UInt8](unsafeUninitializedCapacity: size) { bytes, initialised in
                initialised = try readBytes(
                    into: UnsafeMutableRawBufferPointer(bytes), from: descriptor, at: 0, path: path + "/" + inner)
            }
        }
    }

    /// Opens the file `inner` of the source's directory, which the caller closes, and returns its size. Throws as `contents` does.
    func openOwnFile(_ inner: String) throws -> (descriptor: Int32, size: Int) {
        // What was a file when it was listed may be a FIFO by now; without O_NONBLOCK, opening it would wait.
        let file = path + "/" + inner
        let descriptor = open(FileName.path(path, inner), O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            let isOfTheFile = [ENOENT, EACCES, EPERM, ELOOP].contains(errno)
            throw isOfTheFile
                ? systemFailure("cannot open the file") : MachineFailure(systemFailure("cannot open \(file)"))
        }
        do {
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { throw MachineFailure(systemFailure("cannot read \(file)")) }
            guard status.st_mode & S_IFMT == S_IFREG else {
                throw Failure("it is no longer a regular file", hint: "leave it out")
            }
            try requireReadable(size: Int(status.st_size))
            return (descriptor, Int(status.st_size))
        } catch {
            close(descriptor)
            throw error
        }
    }

    func requireReadable(size: Int) throws {
        guard size <= 1 << 30 else { throw Failure("the file has more than 1 GiB", hint: "leave it out") }
    }
}

/// Runs `body`, whose failures are not the item's.
func blamingMachine<Result>(_ body: () throws -> Result) throws -> Result {
    do { return try body() } catch let failure as Failure { throw MachineFailure(failure) }
}
