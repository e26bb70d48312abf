import Base
import Kernels

/// For each output position along one axis: its inputs and their fixed-point weights.
///
/// Output i is at c = (i + 1/2) s of the input, s = input / output. Input j has the weight
/// cubicKernel((j + 1/2 - c) / max(s, 1)), a = -1/2, divided by the sum of all: reducing widens the kernel, so that no
/// input is skipped. Memory grows to the largest table and is kept.
struct ResamplingTable: ~Copyable {
    /// Weights are whole multiples of 2^-22: 8 bits of value, 2 of overshoot and sign fill 32 bits.
    static let fractionBits: Int32 = 22

    private(set) var starts: OwnedBuffer<Int32>
    private(set) var counts: OwnedBuffer<Int32>
    private(set) var weights: OwnedBuffer<Int32>
    /// The weights as `fill(..., depth:)` asks for them.
    private(set) var reals: OwnedBuffer<Double>
    private var exact: OwnedBuffer<Double>
    /// The distance in `weights` from one output position to the next.
    private(set) var stride = 0
    /// The inputs that any of the outputs uses.
    private(set) var inputs = 0..<0
}

extension ResamplingTable {
    init() throws {
        self.init(
            starts: try OwnedBuffer(count: 0), counts: try OwnedBuffer(count: 0), weights: try OwnedBuffer(count: 0),
            reals: try OwnedBuffer(count: 0), exact: try OwnedBuffer(count: 0))
    }

    /// Makes the table for the positions `window` of `output`, made of `input` values.
    ///
    /// For values of `depth` bits it also has weights as floating-point numbers: for 8 bits the fixed-point numbers, since sums of them are
    /// exact, for 16 bits not rounded. These are Pillow's for images of 8 and 16 bits.
    mutating func fill(input: Int, output: Int, window: Range<Int>, depth: Int? = nil) throws {
        let scale = Double(input) / Double(output)
        let widening = max(scale, 1)
        let support = 2 * widening
        stride = Int(support.rounded(.up)) * 2 + 1
        if starts.count < window.count {
            starts = try OwnedBuffer(count: window.count)
            counts = try OwnedBuffer(count: window.count)
        }
        if weights.count < window.count * stride { weights = try OwnedBuffer(count: window.count * stride) }
        if depth != nil, reals.count < window.count * stride {
            reals = try OwnedBuffer(count: window.count * stride)
        }
        if exact.count < stride { exact = try OwnedBuffer(count: stride) }

        var first = input
        var end = 0
        for position in 0..<window.count {
            let centre = (Double(window.lowerBound + position) + 0.5) * scale
            let start = max(0, Int(centre - support + 0.5))
            let count = min(input, Int(centre + support + 0.5)) - start
            starts.pointer[position] = Int32(start)
            counts.pointer[position] = Int32(count)
            let offset = Double(start) - centre + 0.5
            let row = position * stride
            let sum = fillWeights(at: weights.pointer + row, count: count, offset: offset, widening: widening)
            if let depth {
                let unit = 1 / Double(1 << Self.fractionBits)
                for tap in 0..<count {
                    reals.pointer[row + tap] =
                        depth == 8 ? Double(weights.pointer[row + tap]) * unit : exact.pointer[tap] / sum
                }
            }
            first = min(first, start)
            end = max(end, start + count)
        }
        inputs = first..<end
    }

    /// Returns the sum of the weights before they were divided by it.
    private func fillWeights(
        at row: UnsafeMutablePointer<Int32>, count: Int, offset: Double, widening: Double
    ) -> Double {
        let reciprocal = 1 / widening
        var sum = 0.0
        for tap in 0..<count {
            exact.pointer[tap] = cubicKernel((Double(tap) + offset) * reciprocal, coefficient: -0.5)
            sum += exact.pointer[tap]
        }
        for tap in 0..<count {
            let scaled = exact.pointer[tap] / sum * Double(1 << ResamplingTable.fractionBits)
            row[tap] = Int32(scaled.rounded(.toNearestOrAwayFromZero))
        }
        return sum
    }
}

// What sums of bytes times the weights of a `ResamplingTable`, fixed-point numbers, are as levels.

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
