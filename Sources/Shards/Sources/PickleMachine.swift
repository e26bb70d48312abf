import Base

/// Goes through the instructions of a pickle.
struct PickleMachine {
    /// Limits that CIFAR's pickles are far below: 1,000 elements are put into a list at a time.
    private static let (stackLimit, containerLimit) = (4096, 1000)

    private let bytes: [UInt8]
    private let name: String
    private var position = 0
    private var stack: [Pickle.Value] = []
    /// The heights of the stack at marks.
    private var marks: [Int] = []
    private var memo: [Int: Pickle.Value] = [:]
    private var containers = 0

    init(_ bytes: [UInt8], name: String) { (self.bytes, self.name) = (bytes, name) }

    func failure(_ problem: String) -> Failure {
        Failure("\(name) \(problem), at byte \(position)", hint: "fetch it again: only pickles of protocol 2 are read")
    }

    /// The value that the pickle is.
    mutating func run() throws -> Pickle.Value {
        guard bytes.starts(with: [0x80, 2]) else { throw failure("is no pickle of protocol 2") }
        position = 2
        while true {
            let code = try number(1)
            if code == UInt8(ascii: ".") { return try pop() }
            try step(UInt8(code))
            guard stack.count <= Self.stackLimit, marks.count <= Self.stackLimit, containers <= Self.containerLimit
            else { throw failure("is not of the usual form") }
        }
    }

    private mutating func step(_ code: UInt8) throws {
        switch code {
        case UInt8(ascii: "("): marks.append(stack.count)
        case UInt8(ascii: "N"): stack.append(.none)
        case 0x88, 0x89: stack.append(.number(code == 0x88 ? 1 : 0))
        case UInt8(ascii: "K"): stack.append(.number(try number(1)))
        case UInt8(ascii: "M"): stack.append(.number(try number(2)))
        case UInt8(ascii: "J"): stack.append(.number(Int(Int32(truncatingIfNeeded: try number(4)))))
        case UInt8(ascii: "U"): stack.append(.text(try take(try number(1))))
        case UInt8(ascii: "T"), UInt8(ascii: "X"): stack.append(.text(try take(try number(4))))
        case UInt8(ascii: "]"): try push { .list($0) }
        case UInt8(ascii: "}"): try push { .dictionary($0) }
        case UInt8(ascii: ")"): stack.append(.tuple([]))
        case 0x85, 0x86, 0x87: try pushTuple(try popLast(Int(code) - 0x84))
        case UInt8(ascii: "t"): try pushTuple(try popToMark())
        case UInt8(ascii: "q"): memo[try number(1)] = try top()
        case UInt8(ascii: "r"): memo[try number(4)] = try top()
        case UInt8(ascii: "h"): stack.append(try recalled(try number(1)))
        case UInt8(ascii: "j"): stack.append(try recalled(try number(4)))
        case UInt8(ascii: "a"):
            let values = try popLast(1)
            try add(values)
        case UInt8(ascii: "e"):
            let values = try popToMark()
            try add(values)
        case UInt8(ascii: "s"):
            let values = try popLast(2)
            try add(values, toDictionary: true)
        case UInt8(ascii: "u"):
            let values = try popToMark()
            try add(values, toDictionary: true)
        case UInt8(ascii: "c"): stack.append(.global("\(try line()).\(try line())"))
        case UInt8(ascii: "R"): try call()
        case UInt8(ascii: "b"): try build()
        default: throw failure("has the instruction \(code), which is not read")
        }
    }

    /// The little-endian number in the next `count` bytes.
    private mutating func number(_ count: Int) throws -> Int {
        try take(count).reversed().reduce(0) { $0 << 8 | Int(bytes[$1]) }
    }

    private mutating func take(_ count: Int) throws -> Range<Int> {
        guard count <= bytes.count - position else { throw failure("is cut short") }
        position += count
        return position - count..<position
    }

    private mutating func line() throws -> String {
        guard let end = bytes[position...].prefix(256).firstIndex(of: UInt8(ascii: "\n")) else {
            throw failure("is cut short")
        }
        defer { position = end + 1 }
        return String(decoding: bytes[position..<end], as: UTF8.self)
    }

    private mutating func push(_ make: (PickleItems) -> Pickle.Value) throws {
        containers += 1
        stack.append(make(PickleItems()))
    }

    private mutating func pushTuple(_ values: [Pickle.Value]) throws {
        containers += 1
        stack.append(.tuple(values))
    }

    private func top() throws -> Pickle.Value {
        guard let value = stack.last, stack.count > marks.last ?? 0 else { throw failure("takes what is not there") }
        return value
    }

    private mutating func pop() throws -> Pickle.Value {
        defer { if !stack.isEmpty { stack.removeLast() } }
        return try top()
    }

    private mutating func popLast(_ count: Int) throws -> [Pickle.Value] {
        guard stack.count - (marks.last ?? 0) >= count else { throw failure("takes what is not there") }
        defer { stack.removeLast(count) }
        return Array(stack.suffix(count))
    }

    private mutating func popToMark() throws -> [Pickle.Value] {
        guard let mark = marks.popLast() else { throw failure("takes what is not there") }
        defer { stack.removeLast(stack.count - mark) }
        return Array(stack[mark...])
    }

    private func recalled(_ number: Int) throws -> Pickle.Value {
        guard let value = memo[number] else { throw failure("recalls what is not there") }
        return value
    }

    private func add(_ values: [Pickle.Value], toDictionary: Bool = false) throws {
        switch (try top(), toDictionary) {
        case (.list(let items), false): items.values += values
        case (.dictionary(let items), true) where values.count % 2 == 0: items.values += values
        default: throw failure("fills what is no list or dictionary")
        }
    }

    /// An array without contents, or the type of its elements: all that CIFAR's pickles call functions for.
    private mutating func call() throws {
        let parts = try popLast(2)
        guard case .global(let name) = parts[0], case .tuple(let arguments) = parts[1] else {
            throw failure("calls what is no function")
        }
        switch name {
        case "numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct": try push { .array($0) }
        case "numpy.dtype":
            try push { .dictionary($0) }
            try add(arguments + (arguments.count % 2 == 0 ? [] : [.none]), toDictionary: true)
        default: throw failure("calls \(name.printable(limit: 80)), which is never done")
        }
    }

    /// Gives an array its contents; the rest of a type is not needed for bytes.
    private mutating func build() throws {
        guard case .tuple(let state) = try pop() else { throw failure("fills an object in an unknown way") }
        switch try top() {
        case .array(let items): items.values = state
        case .dictionary: break
        default: throw failure("fills what is no array")
        }
    }
}
