import Base

/// The files of the zip archive `file`, as its central directory says, and its directories; without links.
///
/// Throws `Failure` if it is no zip archive, is damaged or cut short, or has members that are encrypted or compressed in another way than
/// deflate.
func listZip(_ file: SourceFile) throws -> (members: [ZipMember], folders: [[ExactName]]) {
    func failure(_ problem: String, _ hint: String = "fetch or make the archive again") -> Failure {
        Failure("\(file.path) \(problem)", hint: hint)
    }
    let directory = try zipDirectory(file)
    let fields = LittleEndian(try file.bytes(directory.count, at: directory.lowerBound))
    var (place, members, folders): (Int, [ZipMember], [[ExactName]]) = (0, [], [])
    while place < directory.count {
        guard directory.count - place >= 46, fields.number(4, at: place) == 0x0201_4B50 else {
            throw failure("has a damaged list of members")
        }
        let lengths = [28, 30, 32].map { fields.number(2, at: place + $0) }
        let end = place + 46 + lengths.reduce(0, +)
        guard end <= directory.count else { throw failure("has a damaged list of members") }
        let nameEnd = place + 46 + lengths[0]
        let text = FileName.text(fields.bytes[place + 46..<nameEnd])
        let (flags, method) = (fields.number(2, at: place + 8), fields.number(2, at: place + 10))
        var sizes = (
            size: fields.number(4, at: place + 24), stored: fields.number(4, at: place + 20),
            header: fields.number(4, at: place + 42)
        )
        readZip64(fields, nameEnd..<nameEnd + lengths[1], &sizes)
        let isLink = fields.bytes[place + 5] == 3 && fields.number(2, at: place + 40) & 0o170000 == 0o120000
        if text.utf8.last == UInt8(ascii: "/") {
            folders.append(components(text))
        } else if !isLink {
            let name = text.printable(limit: 200)
            guard flags & 1 == 0 else { throw failure("is encrypted: \(name)", "unpack it and pack it again") }
            guard method == 0 || method == 8 else {
                throw failure("compresses \(name) by method \(method)", "unpack it, and pack it as zip does by default")
            }
            guard sizes.header <= file.size, sizes.stored <= file.size - sizes.header,
                method == 8 || sizes.stored == sizes.size
            else { throw failure("is cut short: it ends inside of \(name)") }
            members.append(
                ZipMember(
                    path: components(text), header: sizes.header, stored: sizes.stored, size: sizes.size,
                    checksum: UInt32(fields.number(4, at: place + 16))))
        }
        place = end
    }
    return (members.filter { !$0.path.isEmpty }, folders)
}

/// The bytes of the central directory. Throws `Failure` if it cannot be found.
private func zipDirectory(_ file: SourceFile) throws -> Range<Int> {
    // The last record has 22 bytes and a comment of up to 65,535, which may have the record's mark in it.
    let start = max(0, file.size - 22 - 65_535)
    let end = LittleEndian(try file.bytes(file.size - start, at: start))
    let places = stride(from: end.bytes.count - 22, through: 0, by: -1)
    guard let record = places.first(where: { end.number(4, at: $0) == 0x0605_4B50 }) else {
        throw Failure("\(file.path) is cut short: it has no list of members", hint: "fetch the archive again")
    }
    var (size, place) = (end.number(4, at: record + 12), end.number(4, at: record + 16))
    var directoryEnd = start + record
    if record >= 20, end.number(4, at: record - 20) == 0x0706_4B50 {
        let large = end.number(8, at: record - 20 + 8)
        guard large <= file.size - 56 else {
            throw Failure("\(file.path) is cut short: it has no list of members", hint: "fetch the archive again")
        }
        let fields = LittleEndian(try file.bytes(56, at: large))
        (size, place) = (fields.number(8, at: 40), fields.number(8, at: 48))
        directoryEnd = large
    }
    // Places are counted from the beginning of an archive, which is not that of the file if another one is in front of it.
    guard place + size == directoryEnd || place > file.size else {
        throw Failure(
            "\(file.path) has no list of members where its end says",
            hint: "if several archives were strung together, unzip each alone; otherwise fetch it again")
    }
    guard place <= file.size, size <= file.size - place, size <= 1 << 30 else {
        throw Failure("\(file.path) is cut short: it has no list of members", hint: "fetch the archive again")
    }
    return place..<place + size
}

/// Replaces those of `sizes` that do not fit 32 bits by those in the extra fields at `range`.
private func readZip64(
    _ fields: LittleEndian, _ range: Range<Int>, _ sizes: inout (size: Int, stored: Int, header: Int)
) {
    var place = range.lowerBound
    while place + 4 <= range.upperBound {
        let end = place + 4 + fields.number(2, at: place + 2)
        guard end <= range.upperBound else { return }
        if fields.number(2, at: place) == 1 {
            var next = place + 4
            func large(_ value: Int) -> Int {
                guard value == 0xFFFF_FFFF, next + 8 <= end else { return value }
                defer { next += 8 }
                return fields.number(8, at: next)
            }
            sizes.size = large(sizes.size)
            sizes.stored = large(sizes.stored)
            sizes.header = large(sizes.header)
        }
        place = end
    }
}

extension SourceListing {
    /// The images in the archive `file`: <class>/<file> as in a folder, or without classes.
    init(zip all: [ZipMember], _ folders: [[ExactName]], of file: SourceFile, _ selection: ShardSource.Selection) throws
    {
        self.init(path: file.path, kind: .zip, files: [file])
        let within = selection.within.map { components($0) } ?? []
        let visible = all.filter { !$0.path.contains(where: \.isHidden) }
        passedOver[.hidden] = all.count - visible.count
        let last = Dictionary(visible.enumerated().map { ($1.path, $0) }) { _, last in last }
        let members = visible.enumerated().filter { last[$1.path] == $0 }.map(\.element)
        passedOver[.replaced] = visible.count - members.count
        let tree = members.filter { $0.path.starts(with: within) }.map { member in
            TreeFile(
                path: member.path,
                place: .zipped(
                    file: 0, header: member.header, stored: member.stored, size: member.size,
                    checksum: member.checksum))
        }
        guard !tree.isEmpty else {
            throw Failure("\(path) holds no files of that name", hint: "list it with unzip -l")
        }
        let root = selection.within == nil ? classRoot(of: tree) : within
        try add(tree: tree, folders: folders, below: root, isChosen: selection.within != nil)
    }
}
