// What sums of bytes times the weights of a `ResamplingTable`, fixed-point numbers, are as levels.

/// The nearest of 0...255 to each weighted sum.
@inline(__always)
func roundedLevels(_ sum: SIMD16<Int32>) -> SIMD16<UInt8> {
    wholeLevels(sum &+ SIMD16(repeating: 1 << (ResamplingTable.fractionBits - 1)))
}

/// The whole part of each weighted sum, clamped to 0...255.
@inline(__always)
func wholeLevels(_ sum: SIMD16<Int32>) -> SIMD16<UInt8> {
    SIMD16<UInt8>(truncatingIfNeeded: clampedSums(sum) &>> ResamplingTable.fractionBits)
}

/// Each weighted sum, clamped to 0...255.
///
/// Spelt with shifts, which compile to one instruction each; comparisons and the library's `clamped` go lane by lane.
@inline(__always)
func clampedSums(_ sum: SIMD16<Int32>) -> SIMD16<Int32> {
    let highest = SIMD16<Int32>(repeating: 255 << ResamplingTable.fractionBits)
    let below = highest &- (sum & ~(sum &>> 31))
    return highest &- (below & ~(below &>> 31))
}
