import Base
import Images

// MNIST's form of arrays: bytes behind a header of big-endian sizes.

/// The header of such an array.
struct IDXHeader: Equatable {
    let shape: [Int]
    /// The first byte behind it.
    var start: Int { 4 + 4 * shape.count }

    /// Throws `Failure` if `file` has no array of bytes, or fewer than its header says.
    init(_ file: SourceFile) throws {
        let bytes = try file.bytes(min(file.size, 4 + 4 * 4), at: 0)
        guard bytes.count >= 8, bytes.starts(with: [0, 0, 8]), (1...4).contains(bytes[3]),
            bytes.count >= 4 + 4 * Int(bytes[3])
        else { throw Failure("\(file.path) is no array in the form of MNIST", hint: "fetch the file again") }
        shape = (0..<Int(bytes[3])).map { index in
            bytes[4 + 4 * index..<8 + 4 * index].reduce(0) { $0 << 8 | Int($1) }
        }
        var total = 1
        for number in shape {
            let (product, overflow) = total.multipliedReportingOverflow(by: number)
            guard !overflow, product <= file.size - start else {
                throw Failure("\(file.path) is cut short", hint: "fetch the file again")
            }
            total = product
        }
    }

    /// The labels in `file`. Throws `Failure` if it has something else.
    func labels(in file: SourceFile) throws -> [SampleLabel?] {
        guard shape.count == 1 else { throw Failure("\(file.path) has no labels", hint: "name an idx1 file") }
        return try file.bytes(shape[0], at: start).map { .number(Int($0)) }
    }
}

extension SourceListing {
    /// The images that MNIST and those like it have in the directory `path`; nil if there are none.
    init?(idx path: String, _ names: [String], _ selection: ShardSource.Selection) throws {
        let images = names.filter { $0.contains("images") && $0.contains("idx3-ubyte") }
        guard !images.isEmpty else { return nil }
        // A file may be there as published and decompressed.
        let chosen = Dictionary(grouping: images.filter { ExactName($0).hasPrefix(selection.within ?? "") }) {
            $0.hasSuffix(".gz") ? String($0.dropLast(3)) : $0
        }
        guard chosen.count == 1, let name = chosen.first?.value.min(by: { $0.utf8.count < $1.utf8.count }) else {
            let parts = images.compactMap { $0.components(separatedBy: "-images").first }
            throw Failure(
                "\(path) has several arrays of images, or none of that name",
                hint: "choose " + Set(parts).sorted().map { "--within \($0)" }.joined(separator: " or "))
        }
        try self.init(idx: try SourceFile(path.appending(name: name)), selection)
    }

    /// The images in `file`, with the labels in the file beside it.
    init(idx file: SourceFile, _ selection: ShardSource.Selection) throws {
        self.init(path: file.path, kind: .idx, files: [file])
        let header = try IDXHeader(file)
        guard header.shape.count >= 3 else {
            throw Failure("\(path) has no images", hint: "name the idx3 file, and that of the labels by --labels")
        }
        let raw = try RawPixels(
            extents: Array(header.shape.dropFirst()), depth: 8, isBigEndian: false, name: path)
        self.raw = raw
        if file.size > header.start + header.shape.reduce(1, *) { passedOver[.behindEnd] += 1 }
        let name = path.lastName
        let stem = name.components(separatedBy: "images")[0]
        let prefix = stem.isEmpty || stem == name ? "image-" : stem
        let found = (0..<header.shape[0]).map { number in
            Image(
                name: ExactName(prefix + zeroPadded(number, to: 5)),
                place: .part(file: 0, offset: header.start + number * raw.byteCount, size: raw.byteCount))
        }
        try add(found, of: path, labels: selection.labels == nil ? try labelsBeside(name) : nil, selection)
    }

    /// The labels in the file named as `name` is, but for labels; nil if there is none.
    private func labelsBeside(_ name: String) throws -> [SampleLabel?]? {
        let stem = name.hasSuffix(".gz") ? String(name.dropLast(3)) : name
        let own = stem.replacing("images", with: "labels").replacing("idx3", with: "idx1")
        guard own != stem else { return nil }
        let directory = try DirectoryEntries(path.parentPath.isEmpty ? "." : path.parentPath)
        guard let file = [own, own + ".gz"].first(where: { directory.files.contains($0) }) else { return nil }
        let labels = try SourceFile(path.parentPath.appending(name: file))
        return try IDXHeader(labels).labels(in: labels)
    }
}
