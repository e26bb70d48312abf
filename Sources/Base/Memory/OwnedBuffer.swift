import Foundation

/// Zeroed, aligned memory with one owner, freed with it.
///
/// Aligned to 64 bytes (a cache line, a full vector), from 4 MiB on to 2 MiB with huge pages requested. Padded with zeros to a whole
/// vector, so that kernels may load and store the last vector in full.
package struct OwnedBuffer<Element: BitwiseCopyable>: ~Copyable, @unchecked Sendable {
    /// Valid as long as the buffer exists.
    package let pointer: UnsafeMutablePointer<Element>
    package let count: Int

    /// Throws `Failure` if the memory is not available.
    package init(count: Int) throws {
        pointer = try allocateZeroed(count, of: Element.self)
        self.count = count
    }

    deinit { free(pointer) }

    package var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: pointer, count: count * MemoryLayout<Element>.stride)
    }

    /// Must not outlive the buffer.
    package var elements: UnsafeMutableBufferPointer<Element> {
        UnsafeMutableBufferPointer(start: pointer, count: count)
    }
}

/// Zeroed, aligned blocks with one owner, freed together: the memory of a model's passes.
package struct Arena: ~Copyable, @unchecked Sendable {
    private var blocks: [UnsafeMutableRawPointer] = []
    private let isCounting: Bool
    /// Bytes of all blocks, including padding.
    package private(set) var byteCount = 0

    /// An empty arena. With `isCounting` it only adds up sizes: its pointers must not be read or written.
    package init(isCounting: Bool = false) {
        self.isCounting = isCounting
    }

    deinit { for block in blocks { free(block) } }

    /// `count` zeroed floats, aligned and padded like `OwnedBuffer`, valid as long as the arena exists.
    package mutating func floats(_ count: Int) throws -> UnsafeMutablePointer<Float> {
        let (total, overflow) = byteCount.addingReportingOverflow(try paddedByteCount(count, of: Float.self))
        guard !overflow else { throw Failure("\(count) elements too many", hint: "check the sizes asked for") }
        let pointer = isCounting ? Self.nowhere : try allocateZeroed(count, of: Float.self)
        if !isCounting { blocks.append(pointer) }
        byteCount = total
        return pointer
    }

    /// An aligned address in an unmapped page.
    private static var nowhere: UnsafeMutablePointer<Float> { UnsafeMutablePointer(bitPattern: 64)! }
}
