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
        let byteCount = try paddedByteCount(count, of: Element.self)
        let memory = try allocate(byteCount)
        memset(memory, 0, byteCount)
        pointer = memory.bindMemory(to: Element.self, capacity: count)
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
    private var allocations: [UnsafeMutableRawPointer] = []
    /// What is left of the memory that was reserved.
    private var rest: (start: UnsafeMutableRawPointer, byteCount: Int) = (nowhere, 0)
    private let isCounting: Bool
    /// Bytes of all blocks, including padding.
    package private(set) var byteCount = 0

    /// An empty arena. With `isCounting` it only adds up sizes: its pointers must not be read or written.
    package init(isCounting: Bool = false) {
        self.isCounting = isCounting
    }

    /// An empty arena with room for blocks of `byteCount` bytes together, so that even small ones lie in huge pages. Throws `Failure`
    /// if the memory is not available.
    package init(reserving byteCount: Int) throws {
        self.init()
        rest = (try allocate(byteCount), byteCount)
        allocations.append(rest.start)
    }

    deinit { for allocation in allocations { free(allocation) } }

    /// `count` zeroed floats, aligned and padded like `OwnedBuffer`, valid as long as the arena exists.
    package mutating func floats(_ count: Int) throws -> UnsafeMutablePointer<Float> {
        let padded = try paddedByteCount(count, of: Float.self)
        let (total, overflow) = byteCount.addingReportingOverflow(padded)
        guard !overflow else { throw Failure("\(count) elements too many", hint: "check the sizes asked for") }
        let block = isCounting ? Self.nowhere : try zeroed(padded)
        byteCount = total
        return block.bindMemory(to: Float.self, capacity: count)
    }

    private mutating func zeroed(_ padded: Int) throws -> UnsafeMutableRawPointer {
        let block: UnsafeMutableRawPointer
        if padded <= rest.byteCount {
            block = rest.start
            rest = (block + padded, rest.byteCount - padded)
        } else {
            block = try allocate(padded)
            allocations.append(block)
        }
        memset(block, 0, padded)
        return block
    }

    /// An aligned address in an unmapped page.
    private static var nowhere: UnsafeMutableRawPointer { UnsafeMutableRawPointer(bitPattern: 64)! }
}
