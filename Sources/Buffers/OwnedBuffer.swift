import Foundation

/// Zeroed, aligned memory with one owner; freed when the owner goes.
///
/// Aligned to 64 bytes (a cache line, a full vector), from 4 MiB on to 2 MiB with huge pages asked for. The
/// memory behind the last element is padded with zeros to a whole vector, so that a kernel may read and write
/// the last vector in full.
public struct OwnedBuffer<Element: BitwiseCopyable>: ~Copyable, @unchecked Sendable {
    /// The first element. Valid as long as the buffer lives.
    public let pointer: UnsafeMutablePointer<Element>
    /// The number of elements.
    public let count: Int

    /// Allocates `count` zeroed elements. Throws `Failure` when the memory is not to be had.
    public init(count: Int) throws {
        pointer = try allocateZeroed(count, of: Element.self)
        self.count = count
    }

    deinit { free(pointer) }

    /// All bytes of the elements.
    public var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: pointer, count: count * MemoryLayout<Element>.stride)
    }

    /// All elements as a collection. Must not outlive the buffer.
    public var elements: UnsafeMutableBufferPointer<Element> {
        UnsafeMutableBufferPointer(start: pointer, count: count)
    }
}

/// Zeroed, aligned blocks that share one owner and are freed together; the memory of a whole model's pass.
public struct Arena: ~Copyable, @unchecked Sendable {
    private var blocks: [UnsafeMutableRawPointer] = []

    /// An arena that holds nothing yet.
    public init() {}

    deinit { for block in blocks { free(block) } }

    /// `count` zeroed floats, aligned and padded as `OwnedBuffer` does it, valid as long as the arena lives.
    public mutating func floats(_ count: Int) throws -> UnsafeMutablePointer<Float> {
        let pointer = try allocateZeroed(count, of: Float.self)
        blocks.append(pointer)
        return pointer
    }
}
