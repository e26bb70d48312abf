import Foundation

/// `count` zeroed elements, aligned to 64 bytes (to huge pages from 4 MiB on) and padded with zeros to a whole vector.
///
/// Throws `Failure` if the memory is not available. Free memory is checked first, because the kernel overcommits and would kill the
/// process later, without a message.
func allocateZeroed<Element: BitwiseCopyable>(
    _ count: Int, of type: Element.Type
) throws -> UnsafeMutablePointer<Element> {
    let padded = try paddedByteCount(count, of: type)
    let hugePage = 1 << 21
    // Strictly more, because a whole number of cache lines is padded by one more.
    let isLarge = padded > 2 * hugePage
    let failure = Failure(
        "no memory for another \(padded / 1_048_576) MiB",
        hint:
            "free some memory, use fewer ranks on this machine, a smaller model or smaller images, or in training a smaller --micro-batch"
    )
    if isLarge, let free = availableMemory(), free < padded { throw failure }
    var memory: UnsafeMutableRawPointer?
    guard posix_memalign(&memory, isLarge ? hugePage : 64, padded) == 0, let memory else { throw failure }
    if isLarge { madvise(memory, padded, 14 /* MADV_HUGEPAGE, which Glibc's module leaves out */) }
    memset(memory, 0, padded)
    return memory.bindMemory(to: Element.self, capacity: count)
}

/// Bytes of `count` elements including padding. Throws `Failure` if that overflows.
func paddedByteCount<Element>(_ count: Int, of type: Element.Type) throws -> Int {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    guard count >= 0, !overflow, bytes < Int.max / 2 else {
        throw Failure("cannot allocate \(count) elements", hint: "check the sizes asked for")
    }
    return (bytes / 64 + 1) * 64
}
