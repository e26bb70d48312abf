import Base

/// The tags of one image of a TIFF, of which this reads what libtiff does not bound.
struct TIFFDirectory {
    /// Its place in the file.
    let offset: Int
    /// The bytes that its tags have.
    private(set) var tagBytes = 0
    /// The place of the next image; 0 after the last.
    let next: Int
    /// The places of the images that belong to this one.
    private(set) var subDirectories: [Int] = []
    /// Whether it is a smaller version of another one, or a mask.
    private(set) var isAuxiliary = false

    /// The most images of a file that are looked at.
    private static let limit = 1000

    /// The tags of the first image.
    init(firstOf bytes: UnsafeRawBufferPointer) throws {
        let file = TIFFNumbers(bytes)
        try self.init(file, at: file.address(at: file.isBig ? 8 : 4))
    }

    /// Throws `Failure` if the file ends before the value of a tag of the standard, which libtiff may ignore (a lost palette becomes grey),
    /// or if the tags claim more data than the file has: libtiff copies all, and in a forged file thousands of tags share the same bytes.
    private init(_ file: TIFFNumbers, at directory: Int) throws {
        offset = directory
        let bytes = file.file.bytes
        try file.file.require(8, at: directory)
        let isBig = file.isBig
        let count = try isBig ? file.address(at: directory) : Int(file.file.integer(UInt16.self, at: directory))
        guard count <= 1000 else { throw undecodable("a TIFF image with \(count) tags") }
        let end = directory + (isBig ? 8 + 20 * count : 2 + 12 * count)
        // Behind the last tag; some writers leave it out.
        next = (try? file.address(at: end)) ?? 0
        for position in 0..<count {
            let entry = directory + (isBig ? 8 + 20 * position : 2 + 12 * position)
            let values = try file.address(at: entry + 4)
            guard values <= bytes.count else { throw Self.tooManyValues }
            let kind = try file.file.integer(UInt16.self, at: entry + 2)
            let size = values * TIFFNumbers.bytes(ofKind: kind)
            tagBytes += size
            // A value of this size or less is in the entry itself.
            let place = entry + (isBig ? 12 : 8)
            let tag = try file.file.integer(UInt16.self, at: entry)
            let isInside = size <= (isBig ? 8 : 4)
            if tag < 32_768 && !isInside { try file.file.require(size, at: file.address(at: place)) }
            if tag == 254, let flags = try? file.numbers(1, ofKind: kind, at: place).first {
                isAuxiliary = flags & 5 != 0
            } else if tag == 330, values <= Self.limit, let start = try? isInside ? place : file.address(at: place) {
                subDirectories = (try? file.numbers(values, ofKind: kind, at: start)) ?? []
            }
        }
        // Some writers let small tables be shared.
        guard tagBytes <= bytes.count + 64 * count else { throw Self.tooManyValues }
    }

    private static var tooManyValues: Failure {
        undecodable("the tags of the TIFF image claim more data than the file has")
    }

    /// This image, and those after it or, if it is alone, those that belong to it; without smaller versions and masks, up to one more than
    /// `most`.
    func series(in bytes: UnsafeRawBufferPointer, most: Int) throws -> [TIFFDirectory] {
        let file = TIFFNumbers(bytes)
        var (pages, seen, place) = ([self], Set([offset]), next)
        while place != 0, pages.count <= most, seen.count < Self.limit {
            guard seen.insert(place).inserted else { throw undecodable("the images of the TIFF form a circle") }
            let page = try TIFFDirectory(file, at: place)
            if !page.isAuxiliary { pages.append(page) }
            place = page.next
        }
        guard pages.count == 1 else { return pages }
        for place in subDirectories where pages.count <= most && seen.insert(place).inserted {
            let page = try TIFFDirectory(file, at: place)
            if !page.isAuxiliary { pages.append(page) }
        }
        return pages
    }
}

/// The numbers of a TIFF in its byte order, with addresses of 32 or 64 bits.
private struct TIFFNumbers {
    let file: ImageBytes
    let isBig: Bool

    init(_ bytes: UnsafeRawBufferPointer) {
        file = ImageBytes(bytes: bytes, isBigEndian: bytes.first == UInt8(ascii: "M"))
        isBig = (try? file.integer(UInt16.self, at: 2)) == 43
    }

    func address(at offset: Int) throws -> Int {
        try isBig
            ? Int(clamping: file.integer(UInt64.self, at: offset)) : Int(file.integer(UInt32.self, at: offset))
    }

    /// Whole numbers of a tag.
    func numbers(_ count: Int, ofKind kind: UInt16, at place: Int) throws -> [Int] {
        try (0..<count).map { index in
            switch Self.bytes(ofKind: kind) {
            case 2: Int(try file.integer(UInt16.self, at: place + 2 * index))
            case 4: Int(try file.integer(UInt32.self, at: place + 4 * index))
            case 8: Int(clamping: try file.integer(UInt64.self, at: place + 8 * index))
            default: Int(try file.integer(UInt8.self, at: place + index))
            }
        }
    }

    static func bytes(ofKind kind: UInt16) -> Int {
        switch kind {
        case 3, 8: 2
        case 4, 9, 11, 13: 4
        case 5, 10, 12, 16, 17, 18: 8
        default: 1
        }
    }
}
