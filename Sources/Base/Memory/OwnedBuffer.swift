import Foundation

/// Zeroed, aligned memory with one owner; freed when the owner goes.
///
/// Aligned to 64 bytes (a cache line, a full vector), from 4 MiB on to 2 MiB with huge pages asked for. The
/// memory behind the last element is padded with zeros to a whole vector, so that a kernel may read and write
/// the last vector in full.
package struct OwnedBuffer<Element: BitwiseCopyable>: ~Copyable, @unchecked Sendable {
    /// The first element. Valid as long as the buffer lives.
    package let pointer: UnsafeMutablePointer<Element>
    /// The number of elements.
    package let count: Int

    /// Allocates `count` zeroed elements. Throws `Failure` when the memory is not to be had.
    package init(count: Int) throws {
        pointer = try allocateZeroed(count, of: Element.self)
        self.count = count
    }

    deinit { free(pointer) }

    /// All bytes of the elements.
    package var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: pointer, count: count * MemoryLayout<Element>.stride)
    }

    /// All elements as a collection. Must not outlive the buffer.
    package var elements: UnsafeMutableBufferPointer<Element> {
        UnsafeMutableBufferPointer(start: pointer, count: count)
    }
}

/// Zeroed, aligned blocks that share one owner and are freed together; the memory of a whole model's pass.
package struct Arena: ~Copyable, @unchecked Sendable {
    private var blocks: [UnsafeMutableRawPointer] = []
    private let isCounting: Bool
    /// What all blocks take, padding included.
    package private(set) var byteCount = 0

    /// An arena that holds nothing yet. One that `isCounting` adds up what it is asked for and has no memory to give: its
    /// pointers must not be read or written.
    package init(isCounting: Bool = false) {
        self.isCounting = isCounting
    }

    deinit { for block in blocks { free(block) } }

    /// `count` zeroed floats, aligned and padded as `OwnedBuffer` does it, valid as long as the arena lives.
    package mutating func floats(_ count: Int) throws -> UnsafeMutablePointer<Float> {
        let (total, overflow) = byteCount.addingReportingOverflow(try paddedByteCount(count, of: Float.self))
        guard !overflow else { throw Failure("\(count) elements too many", hint: "check the sizes asked for") }
        let pointer = isCounting ? Self.nowhere : try allocateZeroed(count, of: Float.self)
        if !isCounting { blocks.append(pointer) }
        byteCount = total
        return pointer
    }

    /// Aligned as memory is, in the page that nobody may touch.
    private static var nowhere: UnsafeMutablePointer<Float> { UnsafeMutablePointer(bitPattern: 64)! }
}
