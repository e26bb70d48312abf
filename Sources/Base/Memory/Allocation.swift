import Foundation

/// `count` zeroed elements: aligned to 64 bytes, from 4 MiB on to huge pages, padded with zeros to a whole vector.
///
/// Throws `Failure` when the memory is not to be had. The kernel would grant it all the same and stop the process when
/// it is written, without a word; so what is free is looked up first.
func allocateZeroed<Element: BitwiseCopyable>(
    _ count: Int, of type: Element.Type
) throws -> UnsafeMutablePointer<Element> {
    let padded = try paddedByteCount(count, of: type)
    let hugePage = 1 << 21
    // More than, since a whole number of cache lines is padded with one more.
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

/// What `count` elements take, with the zeros behind the last one. Throws `Failure` when no machine has that much.
func paddedByteCount<Element>(_ count: Int, of type: Element.Type) throws -> Int {
    let (bytes, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    guard count >= 0, !overflow, bytes < Int.max / 2 else {
        throw Failure("cannot allocate \(count) elements", hint: "check the sizes asked for")
    }
    return (bytes / 64 + 1) * 64
}
