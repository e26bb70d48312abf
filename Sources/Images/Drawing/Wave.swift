import Base

/// sin(2 pi `turns`), with an error below 1e-6.
///
/// Sums and products only, unlike the C library's sine, whose last bit differs between machines.
@inline(__always)
func wave(_ turns: Float) -> Float {
    var part = turns - turns.rounded()
    if part > 0.25 { part = 0.5 - part } else if part < -0.25 { part = -0.5 - part }
    let x = part * (2 * Float.pi)
    let square = x * x
    let tail = square * (1 / 362_880 - square / 39_916_800)
    return x * (1 + square * (-1 / 6 + square * (1 / 120 + square * (-1 / 5040 + tail))))
}

/// The unit vector at an angle of `turns`.
func heading(turns: Double) -> SIMD2<Float> { SIMD2(wave(Float(turns) + 0.25), wave(Float(turns))) }

/// `vector` turned by the angle of the unit vector `heading`.
@inline(__always)
func turned(_ vector: SIMD2<Float>, by heading: SIMD2<Float>) -> SIMD2<Float> {
    SIMD2(vector.x * heading.x - vector.y * heading.y, vector.x * heading.y + vector.y * heading.x)
}

@inline(__always)
func mix<Value: SIMD>(_ first: Value, _ second: Value, _ share: Float) -> Value
where Value.Scalar == Float { first + (second - first) * share }

extension KeyedGenerator {
    /// A point of the square from `margin` to 1 - `margin`.
    mutating func point(margin: Double = 0) -> SIMD2<Float> {
        SIMD2(Float(uniform(in: margin...1 - margin)), Float(uniform(in: margin...1 - margin)))
    }

    mutating func float(in range: ClosedRange<Double>) -> Float { Float(uniform(in: range)) }

    /// Nearly normal, of mean 0 and variance 1: the sum of four uniform numbers of 16 bits.
    mutating func noise() -> Float {
        let bits = next()
        var sum: Int32 = 0
        for part in 0..<4 { sum += Int32(truncatingIfNeeded: bits >> (16 * UInt64(part)) & 0xFFFF) }
        // The variance of four numbers in 0..<1 is 1/3.
        return Float(sum - 2 * 65_535) * (1.732_050_8 / 65_536)
    }
}

extension ValueNoise {
    /// Three octaves, in 0...1.
    func octaves(at point: SIMD2<Float>) -> Float {
        (4 * value(at: point) + 2 * value(at: point * 2.1 + 13) + value(at: point * 4.3 + 29)) / 7
    }
}
