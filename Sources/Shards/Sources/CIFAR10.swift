import Base
import Foundation
import Images

/// The binary version of CIFAR-10: batches of records with a label and the red, green and blue values of an image.
enum CIFAR10 {
    /// The side of an image in pixels.
    static let side = 32
    static let bytesPerRecord = 1 + 3 * side * side
    static let namesFile = "batches.meta.txt"
    /// Bytes of it that are read; a label is a byte, so no more names than 256 count.
    static let namesLimit = 1 << 16

    static func isBatch(_ name: ExactName) -> Bool {
        name == ExactName("test_batch.bin") || (name.hasPrefix("data_batch_") && name.hasSuffix(".bin"))
    }

    /// The image of the red, green and blue values `planes`, channel after channel.
    static func image(_ planes: [UInt8]) throws -> Image {
        let count = side * side
        return try Image(width: side, height: side, pixels: (0..<3 * count).map { planes[$0 % 3 * count + $0 / 3] })
    }
}

extension SourceListing {
    private struct Batch {
        let name: ExactName
        let file: Int
        let range: Range<Int>
    }

    /// The batches in the directory `path`; nil if none.
    init?(cifar10 path: String, _ selection: ShardSource.Selection) throws {
        let names = try Shards.names(in: path, of: Int(DT_REG)).map { ExactName($0) }.sorted()
        guard names.contains(where: { CIFAR10.isBatch($0) }) else { return nil }
        self.init(path: path, kind: .cifar10)
        var batches: [Batch] = []
        for name in names where CIFAR10.isBatch(name) && name.hasPrefix(selection.within ?? "") {
            let file = try SourceFile("\(path)/\(name.text)")
            batches.append(Batch(name: name, file: files.count, range: 0..<file.size))
            files.append(file)
        }
        let meta = names.contains(ExactName(CIFAR10.namesFile)) ? try SourceFile("\(path)/\(CIFAR10.namesFile)") : nil
        try add(batches, names: try meta.map { try $0.bytes(min($0.size, CIFAR10.namesLimit), at: 0) })
    }

    /// The batches in the archive `file`; nil if none.
    init?(cifar10 members: [TarMember], of file: SourceFile, _ selection: ShardSource.Selection) throws {
        guard members.contains(where: { CIFAR10.isBatch($0.name) }) else { return nil }
        self.init(path: file.path, kind: .cifar10, files: [file])
        let within = selection.within ?? ""
        let batches = members.filter { member in
            let isTaken =
                member.name.hasPrefix(within)
                || ExactName(member.path.map(\.text).joined(separator: "/")).hasPrefix(within)
            return CIFAR10.isBatch(member.name) && isTaken
        }
        let meta = members.first { $0.name == ExactName(CIFAR10.namesFile) }
        try add(
            batches.map { Batch(name: $0.name, file: 0, range: $0.range) },
            names: try meta.map { try file.bytes(min($0.range.count, CIFAR10.namesLimit), at: $0.range.lowerBound) })
    }

    private mutating func add(_ batches: [Batch], names: [UInt8]?) throws {
        guard !batches.isEmpty, Set(batches.map { $0.name.hasPrefix("test") }).count == 1 else {
            throw Failure(
                "\(path) holds " + (batches.isEmpty ? "no batches of that name" : "both training and test batches"),
                hint: "choose --within data_batch or --within test_batch")
        }
        guard let names else {
            throw Failure(
                "\(path) has no \(CIFAR10.namesFile), which names the classes", hint: "fetch CIFAR-10 again")
        }
        let classes = String(decoding: names, as: UTF8.self).split(whereSeparator: \.isNewline).map { String($0) }
        for batch in batches {
            // The files are 31 MB; a batch is read as a whole.
            guard batch.range.count % CIFAR10.bytesPerRecord == 0, batch.range.count <= 1 << 30 else {
                throw Failure(
                    "\(batch.name.text) of \(path) has \(batch.range.count) bytes, too many or no multiple of \(CIFAR10.bytesPerRecord)",
                    hint: "fetch it again")
            }
            let bytes = try files[batch.file].bytes(batch.range.count, at: batch.range.lowerBound)
            for start in stride(from: 0, to: bytes.count, by: CIFAR10.bytesPerRecord) {
                let number = start / CIFAR10.bytesPerRecord
                guard bytes[start] < classes.count else {
                    throw Failure(
                        "image \(number) of \(batch.name.text) of \(path) has label \(bytes[start]) of \(classes.count) classes",
                        hint: "fetch it again")
                }
                let name = batch.name.dropLast(".bin".utf8.count).text + "-" + zeroPadded(number, to: 5)
                images[ExactName(classes[Int(bytes[start])]), default: []].append(
                    Image(
                        name: ExactName(name),
                        place: .part(
                            file: batch.file, offset: batch.range.lowerBound + start + 1,
                            size: CIFAR10.bytesPerRecord - 1)))
            }
        }
    }
}
