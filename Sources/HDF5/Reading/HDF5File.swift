import Base

/// An HDF5 file in the earliest version of the format, read without libhdf5: datasets of the root group in one piece or in chunks, without
/// filters. Anything else is refused.
///
/// Nothing in the file is believed: every structure is held against the file's size before it is read, and a file in which structures
/// refer to each other in circles is refused.
package struct HDF5File: ~Copyable {
    package let file: RegularFile
    /// How often a structure or a whole dataset was read.
    package private(set) var readCount = 0
    /// Where the headers of the root group's datasets are.
    var headers: [ExactName: Int] = [:]
    /// Bytes of structures that may still be read for a dataset. In a sound file structures do not overlap, so they are at most the file.
    private var bytesLeft: Int
    private let hint: String

    /// Reads the superblock and the names in the root group of `file`; `hint` is for files that cannot be read. Throws `Failure` if it is
    /// not an HDF5 file of this kind.
    package init(_ file: consuming RegularFile, hint: String) throws {
        bytesLeft = file.byteCount
        self.file = file
        self.hint = hint
        do { headers = try rootGroup() } catch { throw failure(from: error) }
    }

    /// `count` bytes at `address`, which may be anything up to 2^48. Throws `HDF5Problem` if they are not in the file.
    mutating func fields(_ count: Int, at address: Int, of name: String) throws -> HDF5Fields {
        try require(count, at: address, of: name)
        guard count <= bytesLeft else { throw HDF5Problem("its structures overlap") }
        bytesLeft -= count
        return HDF5Fields(try values(count, at: address))
    }

    /// `count` values at `address`, which `require` has checked.
    mutating func values<Value: BitwiseCopyable>(_ count: Int, at address: Int) throws -> [Value] {
        readCount += 1
        let byteCount = count * MemoryLayout<Value>.stride
        return try [Value](unsafeUninitializedCapacity: count) { values, initialised in
            guard try file.read(into: UnsafeMutableRawBufferPointer(values), at: address) == byteCount else {
                throw HDF5Problem("it ends early")
            }
            initialised = count
        }
    }

    /// Throws `HDF5Problem` unless the `count` bytes at `address` are in the file.
    func require(_ count: Int, at address: Int, of name: String) throws {
        guard count >= 0, count <= file.byteCount, address >= 0, address <= file.byteCount - count else {
            throw HDF5Problem("\(name) lies outside of the file")
        }
    }

    /// Begins to count the bytes of structures anew, for another dataset.
    mutating func renewBudget() { bytesLeft = file.byteCount }

    /// What is thrown to the callers of this target for `error`, which reading has thrown.
    func failure(from error: any Error) -> any Error {
        guard let problem = error as? HDF5Problem else { return error }
        return Failure("cannot read \(file.path) as an HDF5 file: \(problem.text)", hint: hint)
    }
}

/// What is wrong with a file, or not supported, in a few words.
struct HDF5Problem: Error {
    let text: String

    init(_ text: String) { self.text = text }
}

/// Numbers of a structure, one after the other, little-endian.
struct HDF5Fields {
    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var count: Int { bytes.count - position }

    /// The next `count` bytes.
    mutating func take(_ count: Int) throws -> [UInt8] {
        guard count >= 0, count <= self.count else { throw HDF5Problem("a structure ends early") }
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    mutating func skip(_ count: Int) throws {
        guard count >= 0, count <= self.count else { throw HDF5Problem("a structure ends early") }
        position += count
    }

    /// The number in the next `size` (at most 8) bytes. Throws `HDF5Problem` beyond 2^48, up to which sums of a few cannot overflow; so
    /// also for the address of what is not there, which is 2^64 - 1.
    mutating func number(_ size: Int) throws -> Int {
        guard size <= count else { throw HDF5Problem("a structure ends early") }
        var value: UInt64 = 0
        for byte in 0..<size { value |= UInt64(bytes[position + byte]) << UInt64(8 * byte) }
        position += size
        guard value <= UInt64(Count.limit) else { throw HDF5Problem("a number or an address is missing or too large") }
        return Int(value)
    }

    /// Throws `HDF5Problem` unless the next bytes are `expected`.
    mutating func expect(_ expected: [UInt8], _ name: String) throws {
        guard try take(expected.count) == expected else {
            throw HDF5Problem("\(name) is damaged or of a version that is not supported")
        }
    }
}
