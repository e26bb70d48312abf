import Base

/// The values of a page, each a range of its bytes; nil for a missing one. Those of a page that has only numbers of values are found in
/// its dictionary.
struct ParquetValues: Sendable {
    enum Values: Sendable {
        case own([Range<Int>])
        /// Numbers of values of the dictionary.
        case numbers([Int])
    }

    let bytes: [UInt8]
    let values: Values
    /// For each row the number of its value; nil if none is missing.
    private let places: [Int?]?
    let count: Int

    private static let damaged = Failure("a page is damaged", hint: "fetch the file again")

    /// Those of `page`, whose levels and values are `bytes`. Throws `Failure` if they are damaged.
    init(_ bytes: [UInt8], of page: ParquetPage) throws {
        var start = 0
        var places: [Int?]?
        var present = page.count
        if page.level > 0, !page.isDictionary {
            let levels: ArraySlice<UInt8>
            if case .dataV2(let length, _) = page.kind {
                levels = bytes.prefix(length)
                start = length
            } else {
                guard bytes.count >= 4 else { throw Self.damaged }
                let length = LittleEndian(Array(bytes.prefix(4))).number(4, at: 0)
                guard length <= bytes.count - 4 else { throw Self.damaged }
                levels = bytes[4..<4 + length]
                start = 4 + length
            }
            let width = Int.bitWidth - page.level.leadingZeroBitCount
            let runs = try Self.hybrid(levels, width: width, count: page.count)
            present = 0
            let found: [Int?] = runs.map { level in
                guard level == page.level else { return nil }
                present += 1
                return present - 1
            }
            if present < page.count { places = found }
        }
        count = page.count
        self.bytes = bytes
        self.places = places
        values =
            page.dictionary == nil
            ? .own(try Self.plain(bytes, from: start, page.type, count: present))
            : .numbers(try Self.numbers(bytes[start...], count: present))
    }

    /// The number of the value in `row`; nil if it is missing.
    func place(ofRow row: Int) -> Int? {
        guard let places else { return row < count ? row : nil }
        return places.indices.contains(row) ? places[row] : nil
    }

    private static func plain(
        _ bytes: [UInt8], from start: Int, _ type: ParquetFooter.ValueType, count: Int
    ) throws -> [Range<Int>] {
        // Each takes four bytes at least, so memory follows the bytes that are there.
        guard count <= (bytes.count - start) / 4 else { throw damaged }
        var place = start
        return try (0..<count).map { _ in
            guard type == .bytes else {
                place += type.byteCount
                guard place <= bytes.count else { throw damaged }
                return place - type.byteCount..<place
            }
            guard place + 4 <= bytes.count else { throw damaged }
            let size = (0..<4).reduce(0) { $0 | Int(bytes[place + $1]) << (8 * $1) }
            guard size <= bytes.count - place - 4 else { throw damaged }
            place += 4 + size
            return place - size..<place
        }
    }

    private static func numbers(_ bytes: ArraySlice<UInt8>, count: Int) throws -> [Int] {
        guard count > 0 else { return [] }
        guard let width = bytes.first, width <= 32 else { throw damaged }
        return try hybrid(bytes.dropFirst(), width: Int(width), count: count)
    }

    /// The most values of a page: a run of any length takes two bytes.
    private static let countLimit = 1 << 24

    /// `count` numbers of `width` bits in runs of one number, and groups of eight that are packed.
    private static func hybrid(_ bytes: ArraySlice<UInt8>, width: Int, count: Int) throws -> [Int] {
        guard count <= countLimit else { throw damaged }
        var numbers: [Int] = []
        var place = bytes.startIndex
        while numbers.count < count {
            var (head, shift) = (0, 0)
            while true {
                guard place < bytes.endIndex, shift < 35 else { throw damaged }
                head |= Int(bytes[place] & 127) << shift
                shift += 7
                place += 1
                if bytes[place - 1] < 128 { break }
            }
            let left = count - numbers.count
            if head & 1 == 0 {
                let size = (width + 7) / 8
                guard head > 0, size <= bytes.endIndex - place else { throw damaged }
                let number = (0..<size).reduce(0) { $0 | Int(bytes[place + $1]) << (8 * $1) }
                numbers += repeatElement(number, count: min(head >> 1, left))
                place += size
            } else {
                let groups = head >> 1
                guard groups > 0, groups * width <= bytes.endIndex - place else { throw damaged }
                for index in 0..<min(8 * groups, left) {
                    let bit = index * width
                    var number = 0
                    for part in 0..<width where bytes[place + (bit + part) / 8] >> UInt8((bit + part) % 8) & 1 == 1 {
                        number |= 1 << part
                    }
                    numbers.append(number)
                }
                place += groups * width
            }
        }
        return numbers
    }
}
