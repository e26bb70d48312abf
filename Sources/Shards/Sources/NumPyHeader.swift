import Base

/// The header of an array of NumPy: what its elements are and how many.
struct NumPyHeader: Equatable {
    static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
    /// Bytes of a file that a header is looked for in; longer ones are of arrays of records.
    static let limit = 1 << 12

    enum Element: Equatable {
        case integer(bytes: Int, isSigned: Bool, isBigEndian: Bool)
        /// Characters of four bytes.
        case unicode(length: Int)
        /// Characters of one byte.
        case ascii(length: Int)

        var byteCount: Int {
            switch self {
            case .integer(let bytes, _, _): bytes
            case .unicode(let length): 4 * length
            case .ascii(let length): length
            }
        }
    }

    let element: Element
    let shape: [Int]
    /// The first byte behind the header.
    let start: Int

    /// Bits of a value if it is an unsigned number of 8 or 16 bits.
    var depth: Int? {
        guard case .integer(let bytes, false, _) = element, bytes <= 2 else { return nil }
        return 8 * bytes
    }

    var isBigEndian: Bool { if case .integer(_, _, true) = element { true } else { false } }

    /// Reads the header at the start of `bytes` of an array of `size` bytes, header included.
    ///
    /// Throws `Failure` if it is damaged, of elements that are neither integers nor texts, or of more than there is; `name` is the array's
    /// in messages.
    init(_ bytes: [UInt8], size: Int, name: String) throws {
        func failure(_ problem: String) -> Failure {
            Failure("\(name) \(problem)", hint: "save it by numpy.save, with integers or texts in C order")
        }
        guard bytes.starts(with: Self.magic), bytes.count >= 12, (1...3).contains(bytes[6]) else {
            throw failure("is no array of NumPy")
        }
        let fields = LittleEndian(bytes)
        let first = bytes[6] == 1 ? 10 : 12
        start = first + fields.number(bytes[6] == 1 ? 2 : 4, at: 8)
        guard start <= bytes.count else { throw failure("has a damaged or unusual header") }
        let text = String(decoding: bytes[first..<start], as: UTF8.self)
        func value(_ key: String) -> Substring? {
            text.range(of: "'\(key)':").map { text[$0.upperBound...].drop { $0 == " " } }
        }
        guard value("fortran_order")?.hasPrefix("False") == true, let type = value("descr"), type.first == "'",
            let shape = value("shape"), shape.first == "(", let end = shape.firstIndex(of: ")")
        else { throw failure("is not in C order, or has an unusual header") }
        let numbers = shape[..<end].dropFirst().split(separator: ",").map {
            Int($0.trimmingCharacters(in: .whitespaces))
        }
        guard let element = Element(type.dropFirst().prefix { $0 != "'" }) else {
            throw failure("has elements of the type \(String(type.prefix(12)).printable)")
        }
        var total = element.byteCount
        for number in numbers {
            guard let number, number >= 0, case let (product, overflow) = total.multipliedReportingOverflow(by: number),
                !overflow
            else { throw failure("has a damaged shape") }
            total = product
        }
        guard total <= size - start else { throw failure("is cut short") }
        self.element = element
        self.shape = numbers.compactMap { $0 }
    }
}

extension NumPyHeader.Element {
    /// The type that NumPy calls `name`, such as |u1, <i8 or <U12.
    fileprivate init?(_ name: Substring) {
        guard let order = name.first, "<>|=".contains(order), let count = Int(name.dropFirst(2)), count >= 0 else {
            return nil
        }
        switch name.dropFirst().first {
        case "u" where [1, 2, 4, 8].contains(count), "i" where [1, 2, 4, 8].contains(count):
            let isSigned = name.dropFirst().first == "i"
            self = .integer(bytes: count, isSigned: isSigned, isBigEndian: order == ">" && count > 1)
        case "U" where (1...1 << 16).contains(count) && order != ">": self = .unicode(length: count)
        case "S" where (1...1 << 16).contains(count): self = .ascii(length: count)
        default: return nil
        }
    }

    /// The label in `bytes`, which are one element.
    func label(_ bytes: ArraySlice<UInt8>) -> SampleLabel? {
        switch self {
        case .integer(let count, let isSigned, let isBigEndian):
            let ordered = isBigEndian ? Array(bytes) : bytes.reversed()
            let number = ordered.reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            let unused = UInt64(64 - 8 * count)
            return .number(isSigned ? Int(Int64(bitPattern: number << unused) >> Int64(unused)) : Int(clamping: number))
        case .unicode:
            let scalars = stride(from: bytes.startIndex, to: bytes.endIndex, by: 4).compactMap { place in
                Unicode.Scalar(bytes[place..<place + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
            }
            return .text(String(String.UnicodeScalarView(scalars.prefix { $0.value != 0 })))
        case .ascii: return .text(String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self))
        }
    }
}
