import Base
import CrateModel
import Kernels

/// Updates this rank's parts of the flat parameter buffer and stores only their moments.
///
/// With R ranks AdamW's moments take 2 / R of the parameters' memory on each rank, Lion's half of that, and an average of the
/// parameters as much as Lion's. Source:
/// Rajbhandari et al., ZeRO: Memory Optimizations Toward Training Trillion Parameter Models (arXiv 1910.02054).
package struct Optimizer: ~Copyable {
    package let moments: MomentParts
    private let segments: [[Segment]]
    private let memory: Arena
    private let rule: UpdateRule
    private let average: WeightAverage?

    private struct Segment {
        let range: Range<Int>
        /// Index of its first value in this rank's moments.
        let position: Int
        let decays: Bool
        let rateFactor: Double
    }

    /// Zeroed moments for buffers of `layout`, and with `average` zeroed averages. `parts` nil is the whole buffer; the
    /// learning rate of a parameter is multiplied by its `rateFactor`. Throws `Failure` if memory is short.
    package init(
        _ layout: ParameterLayout, rule: UpdateRule, average: WeightAverage? = nil, parts: [Range<Int>]? = nil,
        rateFactor: (Parameter) -> Double = { _ in 1 }
    ) throws {
        let parts = parts ?? [0..<layout.bufferCount]
        var memory = Arena()
        let kinds = rule.moments + (average == nil ? [] : [.average])
        let moments = try MomentParts(parts, kinds: kinds, in: &memory)
        var position = 0
        segments = parts.map { part in
            defer { position += part.count }
            return layout.parameters.compactMap { parameter in
                let range = part.clamped(to: parameter.offset..<parameter.offset + parameter.count)
                return range.isEmpty
                    ? nil
                    : Segment(
                        range: range, position: position + range.lowerBound - part.lowerBound, decays: parameter.decays,
                        rateFactor: rateFactor(parameter))
            }
        }
        self.rule = rule
        self.average = average
        self.moments = moments
        self.memory = memory
    }

    /// The ranges of the flat buffers that this rank updates.
    package var parts: [Range<Int>] { moments.parts }

    package var momentByteCount: Int { memory.byteCount }

    /// Sets sums[b] to the sum of squares of block b of `gradients`, for the blocks of `normBlockCount` values in this
    /// rank's parts; `team` nil is the calling thread alone.
    package borrowing func sumSquares(
        of gradients: UnsafePointer<Float>, into sums: UnsafeMutablePointer<Double>, on team: ThreadTeam? = nil
    ) {
        let parts = parts
        func sum(_ thread: Int) {
            for part in parts {
                let blocks = (part.count + normBlockCount - 1) / normBlockCount
                for block in team?.part(thread, of: blocks) ?? 0..<blocks {
                    let start = part.lowerBound + block * normBlockCount
                    sums[start / normBlockCount] = sumOfSquares(
                        gradients + start, count: min(normBlockCount, part.upperBound - start))
                }
            }
        }
        if let team { team.run(sum) } else { sum(0) }
    }

    /// The factor that clips gradients of global norm `norm`: min(1, clip / (norm + 1e-6)), or 1.
    package static func gradientScale(norm: Double, clip: Double?) -> Float {
        Float(clip.map { min(1, $0 / (norm + 1e-6)) } ?? 1)
    }

    /// Updates part `index` of `replica` from its gradients times `scale`, on all of its threads; `step` counts from 0.
    package borrowing func update(
        part index: Int, of replica: borrowing Replica, step: Int, rate: Double, scale: Float
    ) {
        update(
            part: index, of: replica.parameters.pointer, gradients: replica.gradients.pointer, step: step, rate: rate,
            scale: scale, on: replica.team)
        replica.parametersChanged()
    }

    /// The same in flat buffers; `team` nil is the calling thread alone.
    package borrowing func update(
        part index: Int, of parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>, step: Int,
        rate: Double, scale: Float, on team: ThreadTeam? = nil
    ) {
        let (part, segments, rule, average, moments) = (parts[index], segments[index], rule, average, moments)
        guard let team else {
            return Self.update(part, segments, rule, average, moments, of: parameters, gradients, step, rate, scale)
        }
        team.run { thread in
            let own = team.part(thread, of: part.count, grain: 16)
            Self.update(
                part.lowerBound + own.lowerBound..<part.lowerBound + own.upperBound, segments, rule, average, moments,
                of: parameters, gradients, step, rate, scale)
        }
    }

    /// Updates the values in `part`.
    private static func update(
        _ part: Range<Int>, _ segments: [Segment], _ rule: UpdateRule, _ average: WeightAverage?,
        _ moments: MomentParts, of parameters: UnsafeMutablePointer<Float>, _ gradients: UnsafePointer<Float>,
        _ step: Int, _ rate: Double, _ scale: Float
    ) {
        for segment in segments {
            let range = segment.range.clamped(to: part)
            guard !range.isEmpty else { continue }
            let start = range.lowerBound
            let (own, slopes) = (parameters + start, gradients + start)
            let position = segment.position + start - segment.range.lowerBound
            let (first, count) = (moments.first + position, range.count)
            let rate = rate * segment.rateFactor
            switch rule {
            case .adamW(let rule):
                rule.update(
                    own, gradients: slopes, firstMoments: first, secondMoments: moments.second + position,
                    count: count, step: step + 1, rate: rate, gradientScale: scale, decays: segment.decays)
            case .lion(let rule):
                rule.update(
                    own, gradients: slopes, moments: first, count: count, rate: rate, gradientScale: scale,
                    decays: segment.decays)
            }
            if let average, let averages = moments.average {
                average.update(averages + position, parameters: own, count: count, step: step)
            }
        }
    }
}
