import Base
import Images

// Arrays of images and of labels, in files of their own (.npy) or in an archive (.npz).

/// An array in a file.
private struct NumPyArray {
    let name: String
    let file: SourceFile
    /// Its first byte in the file.
    let offset: Int
    let header: NumPyHeader
    /// Whether its file goes on behind its last element, as after a second numpy.save.
    let hasRest: Bool

    /// The array in the bytes `range` of `file`, called `name`.
    init(_ file: SourceFile, _ range: Range<Int>, name: String) throws {
        let start = try file.bytes(min(NumPyHeader.limit, range.count), at: range.lowerBound)
        header = try NumPyHeader(start, size: range.count, name: "\(name) of \(file.path)")
        hasRest = range.count > header.start + header.shape.reduce(header.element.byteCount, *)
        (self.name, self.file, offset) = (name, file, range.lowerBound)
    }

    /// Bits of a value if it has bytes or unsigned numbers of 16 bits of the shape (N, H, W), (N, H, W, C) or (N, C, H, W).
    var depth: Int? { [3, 4].contains(header.shape.count) ? header.depth : nil }

    /// Its elements as labels. Throws `Failure` unless its shape is (N) or (N, 1).
    func labels() throws -> [SampleLabel?] {
        guard let count = header.shape.first, header.shape.dropFirst().allSatisfy({ $0 == 1 }) else {
            throw Failure("\(name) of \(file.path) has no label for each image", hint: "store them as (N)")
        }
        let size = header.element.byteCount
        let bytes = try file.bytes(count * size, at: offset + header.start)
        return (0..<count).map { header.element.label(bytes[$0 * size..<($0 + 1) * size]) }
    }
}

extension SourceListing {
    /// The images of an array in a file. Throws `Failure` as `ShardSource.init` does.
    init(npy file: SourceFile, _ selection: ShardSource.Selection) throws {
        let array = try NumPyArray(file, 0..<file.size, name: file.path.lastName)
        try self.init(array, labels: nil, selection)
    }

    /// The images of one of the arrays in an archive, with the labels in another.
    init(npz members: [ZipMember], of file: SourceFile, _ selection: ShardSource.Selection) throws {
        let arrays = try members.map { try NumPyArray($0, of: file) }
        let within = selection.within ?? ""
        let named = arrays.filter { ExactName($0.name).hasPrefix(within) }
        // Numbers of 16 bits may be something else beside images of bytes.
        let images = [8, 16].map { depth in named.filter { $0.depth == depth } }.first { !$0.isEmpty } ?? []
        guard let chosen = images.first, images.count == 1 else {
            let names = images.map(\.name).sorted().joined(separator: ", ")
            let problem = images.isEmpty ? "no array of images (uint8 or uint16)" : "several arrays: \(names)"
            throw Failure(
                "\(file.path) has \(problem)",
                hint: "choose one by --within, or store (N, H, W, C) or (N, H, W)")
        }
        let wanted = selection.labelField.map { [$0] } ?? Self.labelNames(of: chosen.name)
        let labels = wanted.lazy.compactMap { name in arrays.first { ExactName($0.name) == ExactName(name) } }.first
        guard labels != nil || selection.labelField == nil else {
            throw Failure("\(file.path) has no array \(wanted[0])", hint: "choose another --label-field")
        }
        try self.init(chosen, labels: labels, selection)
    }

    /// The names that people give to the labels of the images `name`: y_train for x_train, train_labels for train_images.
    private static func labelNames(of name: String) -> [String] {
        let pairs = [("images", "labels"), ("image", "label"), ("data", "labels"), ("x", "y"), ("X", "y"), ("X", "Y")]
        let replaced = pairs.compactMap { old, new in name.contains(old) ? name.replacing(old, with: new) : nil }
        return replaced + ["labels", "label", "y", "targets", "fine_labels"]
    }

    private init(_ array: NumPyArray, labels: NumPyArray?, _ selection: ShardSource.Selection) throws {
        self.init(path: array.file.path, kind: .numpy, files: [array.file])
        let (name, shape) = (array.name == path.lastName ? path : "\(array.name) of \(path)", array.header.shape)
        guard let depth = array.depth else {
            throw Failure(
                "\(name) is no array of images", hint: "store uint8 or uint16 as (N, H, W, C) or (N, H, W)")
        }
        let raw = try RawPixels(
            extents: Array(shape.dropFirst()), depth: depth, isBigEndian: array.header.isBigEndian, name: name)
        self.raw = raw
        passedOver[.behindEnd] += [array.hasRest, labels?.hasRest ?? false].count { $0 }
        let stem = array.name.hasSuffix(".npy") ? String(array.name.dropLast(4)) : array.name
        let found = (0..<shape[0]).map { number in
            let offset = array.offset + array.header.start + number * raw.byteCount
            return Image(
                name: ExactName("\(stem)-\(zeroPadded(number, to: 5))"),
                place: .part(file: 0, offset: offset, size: raw.byteCount))
        }
        try add(found, of: name, labels: try labels?.labels(), selection)
    }

    /// Adds the images of an array, with the labels in the file of the selection, or else `labels`. Throws `Failure` if they are more or
    /// fewer.
    mutating func add(
        _ found: [Image], of name: String, labels: [SampleLabel?]?, _ selection: ShardSource.Selection
    ) throws {
        let own = try selection.labels.map { try Self.labels(in: $0) } ?? labels
        guard let own else {
            unlabelled += found
            return
        }
        guard own.count == found.count else {
            throw Failure(
                "\(name) has \(found.count) images, and there are \(own.count) labels",
                hint: "name the labels that go with it")
        }
        try add(found, own, names: selection.labelNames)
    }

    /// The labels in an array, in NumPy's form or MNIST's, or in a text file of one label a line.
    private static func labels(in path: String) throws -> [SampleLabel?] {
        let file = try SourceFile(path)
        let start = try file.bytes(min(8, file.size), at: 0)
        if start.starts(with: NumPyHeader.magic) {
            return try NumPyArray(file, 0..<file.size, name: path.lastName).labels()
        }
        if start.starts(with: [0, 0, 8]) { return try IDXHeader(file).labels(in: file) }
        let lines = try textLines(of: path)
        try requireLabels(lines, path: path)
        return lines.map { SampleLabel(text: $0) }
    }
}

extension NumPyArray {
    /// A member of an archive: in place if it is stored, in memory if it is compressed.
    fileprivate init(_ member: ZipMember, of file: SourceFile) throws {
        let name = String(joined(member.path).dropLast(".npy".utf8.count))
        let start = LittleEndian(try file.bytes(30, at: member.header))
        let offset = member.header + 30 + start.number(2, at: 26) + start.number(2, at: 28)
        if start.number(2, at: 8) == 0 {
            guard offset + member.stored <= file.size else {
                throw Failure("\(file.path) is cut short: it ends inside of \(name)", hint: "fetch it again")
            }
            try self.init(file, offset..<offset + member.stored, name: name)
            return
        }
        guard member.size <= SourceFile.maximumDecompressedSize else {
            throw Failure(
                "\(name) of \(file.path) is compressed and has \(member.size) bytes",
                hint: "save it by numpy.savez, which does not compress")
        }
        let stored = try ZipMember.stored(in: file, header: member.header, count: member.stored)
        let contents: [UInt8]
        do {
            contents = try ZipMember.contents(
                stored.bytes, method: stored.method, size: member.size, checksum: member.checksum)
        } catch let failure as Failure {
            throw Failure("\(name) of \(file.path): \(failure.problem)", hint: failure.hint)
        }
        let inMemory = try SourceFile(contents, from: file)
        try self.init(inMemory, 0..<contents.count, name: name)
    }
}
