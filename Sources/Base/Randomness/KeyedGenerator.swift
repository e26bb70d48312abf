import Foundation

/// A random generator whose stream is a function of its keys, so that what is drawn for a sample does not depend on the rank or on
/// earlier draws.
///
/// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014); each key is mixed in through its finaliser.
package struct KeyedGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    /// What a stream is for. Two purposes with equal keys draw independent values.
    package enum Purpose: UInt64, Sendable {
        /// Initial parameter values; key: position in the layout.
        case initialisation = 1
        /// The order of samples; keys: epoch, round.
        case order
        /// Random crop and flip; keys: epoch, sample.
        case augmentation
        /// Which patches are hidden; keys: epoch, sample.
        case mask
        /// Which patches are hidden in evaluation; key: sample.
        case evaluationMask
        /// Drawn images; key: image.
        case drawing
        /// Substitutes of a corrupt sample; keys: epoch, sample.
        case substitution
        /// The partner and method of mixing an image; keys: epoch, sample.
        case mixing
        /// Which layers of a model leave an image as it is; key: position in the order of training.
        case depth
        /// Groups drawn with replacement, for intervals.
        case resampling
    }

    package init(seed: UInt64, _ purpose: Purpose, _ first: Int? = nil, _ second: Int? = nil) {
        state = seed
        state = next() ^ purpose.rawValue
        if let first { state = next() ^ UInt64(bitPattern: Int64(first)) }
        if let second { state = next() ^ UInt64(bitPattern: Int64(second)) }
        state = next()
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return KeyedGenerator.mixed(state)
    }

    /// A bijection of 64 bits that leaves no visible relation between input and output.
    package static func mixed(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Uniform in [0, 1), a multiple of 2^-53.
    package mutating func uniform() -> Double {
        Double(next() >> 11) * 0x1p-53
    }

    /// Uniform in [range.lowerBound, range.upperBound).
    package mutating func uniform(in range: ClosedRange<Double>) -> Double {
        range.lowerBound + (range.upperBound - range.lowerBound) * uniform()
    }

    /// Uniform in 0 ..< bound (bound > 0), with a negligible bias of at most bound / 2^64.
    package mutating func index(below bound: Int) -> Int {
        Int(next().multipliedFullWidth(by: UInt64(bound)).high)
    }
}

extension KeyedGenerator {
    /// Standard normal, by the method of Box and Muller.
    package mutating func normal() -> Double {
        let radius = (-2 * log(1 - uniform())).squareRoot()
        return radius * cos(2 * .pi * uniform())
    }
}
