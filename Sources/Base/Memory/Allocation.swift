import Foundation

/// `byteCount` bytes of any value, aligned to 64 bytes, from 4 MiB on to huge pages.
///
/// Throws `Failure` if the memory is not available. Free memory is checked first, because the kernel overcommits and would kill the
/// process later, without a message.
func allocate(_ byteCount: Int) throws -> UnsafeMutableRawPointer {
    let hugePage = 1 << 21
    let isLarge = byteCount >= 2 * hugePage
    let failure = Failure(
        "no memory for another \(byteCount / 1_048_576) MiB",
        hint:
            "free some memory, use fewer ranks on this machine, a smaller model or smaller images, or in training a smaller --micro-batch"
    )
    if isLarge, let free = availableMemory(), free < byteCount { throw failure }
    var memory: UnsafeMutableRawPointer?
    guard posix_memalign(&memory, isLarge ? hugePage : 64, byteCount) == 0, let memory else { throw failure }
    if isLarge { madvise(memory, byteCount, 14 /* MADV_HUGEPAGE, which Glibc's module leaves out */) }
    return memory
}

/// Bytes of `count` elements including padding. Throws `Failure` if that overflows.
func paddedByteCount<Element>(_ count: Int, of type: Element.Type) throws -> Int {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    guard count >= 0, !overflow, bytes < Int.max / 2 else {
        throw Failure("cannot allocate \(count) elements", hint: "check the sizes asked for")
    }
    return (bytes / 64 + 1) * 64
}
