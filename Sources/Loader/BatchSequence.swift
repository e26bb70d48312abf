/// The positions of a rank's micro-batches, computed from their number.
package struct BatchSequence: Equatable, Sendable {
    private let first: Int
    private let size: Int
    private let sizesInARow: Int
    private let stride: Int
    private let end: Int

    /// Micro-batches of `size` positions below `end`: `sizesInARow` consecutive ones from `first`, then from `first + stride`, and so on.
    package init(first: Int, size: Int, sizesInARow: Int = 1, stride: Int, end: Int) {
        precondition(first >= 0 && size > 0 && sizesInARow > 0 && stride > 0)
        self.first = first
        self.size = size
        self.sizesInARow = sizesInARow
        self.stride = stride
        self.end = end
    }

    /// The positions of micro-batch `number`; empty after the last one.
    package subscript(number: Int) -> Range<Int> {
        let start = first + number / sizesInARow * stride + number % sizesInARow * size
        return min(start, end)..<min(start + size, end)
    }
}
