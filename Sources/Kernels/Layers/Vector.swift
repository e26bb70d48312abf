// Row lengths need not be a multiple of 16. `lanes` is the number of elements left in a row. If it is less than 16,
// loads return zeros past the end and stores write only the elements of the row.

@usableFromInline package typealias Vector = SIMD16<Float>

/// The vectors of a row of `count` elements: `for (i, lanes) in Vectors(count)`, where `i` is the index of a vector's
/// first element. It is a sequence because the compiler does not inline every closure.
@frozen @usableFromInline
package struct Vectors: Sequence, IteratorProtocol {
    @usableFromInline var index = 0
    @usableFromInline let count: Int

    @inlinable @inline(__always)
    package init(_ count: Int) { self.count = count }

    @inlinable @inline(__always)
    package mutating func next() -> (index: Int, lanes: Int)? {
        guard index < count else { return nil }
        defer { index &+= 16 }
        return (index, count &- index)
    }
}

@inlinable @inline(__always)
package func load(_ source: UnsafePointer<Float>, _ lanes: Int) -> Vector {
    if lanes >= 16 { return UnsafeRawPointer(source).loadUnaligned(as: Vector.self) }
    var vector = Vector.zero
    for lane in 0..<lanes { vector[lane] = source[lane] }
    return vector
}

@inlinable @inline(__always)
package func store(_ vector: Vector, _ destination: UnsafeMutablePointer<Float>, _ lanes: Int) {
    if lanes >= 16 {
        UnsafeMutableRawPointer(destination).storeBytes(of: vector, as: Vector.self)
    } else {
        for lane in 0..<lanes { destination[lane] = vector[lane] }
    }
}

/// Sets the elements past the end of a row to zero, so that they do not contribute to a sum.
@inline(never)
func clear(_ vector: inout Vector, from lanes: Int) {
    for lane in lanes..<16 { vector[lane] = 0 }
}

/// ln x for 0 < x <= 1, with an absolute error under 1e-6, and a relative error under 1e-6 away from 1. Returns 0 for x
/// below the least normal float.
///
/// x = 2^n m with m in [sqrt(1/2), sqrt(2)). ln m = 2 artanh(r) as a power series, r = (m - 1) / (m + 1), |r| < 0.172.
@inline(__always)
func logarithm(_ x: Vector) -> Vector {
    let isTooSmall = x .< Vector(repeating: .leastNormalMagnitude)
    let bits = unsafeBitCast(x, to: SIMD16<Int32>.self) &- 0x3F35_04F3  // sqrt(1/2)
    let n = Vector(bits &>> 23)
    let mantissa = unsafeBitCast((bits & 0x7F_FFFF) &+ 0x3F35_04F3, to: Vector.self)
    let r = (mantissa - 1) / (mantissa + 1)
    let square = r * r
    var p = Vector(repeating: 2.0 / 9)
    p = Vector(repeating: 2.0 / 7).addingProduct(p, square)
    p = Vector(repeating: 2.0 / 5).addingProduct(p, square)
    p = Vector(repeating: 2.0 / 3).addingProduct(p, square)
    p = Vector(repeating: 2).addingProduct(p, square)
    return (n * 0.693_147_2 + r * p).replacing(with: 0, where: isTooSmall)
}

/// The sum of the 16 elements in Double, in the order of the lanes.
@inline(__always)
func doubleSum(_ vector: Vector) -> Double {
    var sum = 0.0
    for lane in 0..<16 { sum += Double(vector[lane]) }
    return sum
}
