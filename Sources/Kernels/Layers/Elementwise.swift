package func add(
    _ base: UnsafePointer<Float>, _ other: Operand, count: Int, into result: UnsafeMutablePointer<Float>
) {
    if other.format == .bfloat16 {
        let halves = other.elements(BFloat16.self)
        for (i, lanes) in Vectors(count) {
            store(load(base + i, lanes) + BFloat16.load(halves + i, lanes), result + i, lanes)
        }
    } else {
        add(base, other.floats, sign: 1, count: count, into: result)
    }
}

/// result = base + sign * other, element by element. The three may alias.
package func add(
    _ base: UnsafePointer<Float>, _ other: UnsafePointer<Float>, sign: Float, count: Int,
    into result: UnsafeMutablePointer<Float>
) {
    for (i, lanes) in Vectors(count) {
        store(load(base + i, lanes) + load(other + i, lanes) * sign, result + i, lanes)
    }
}

/// result = base + sign * bias, where bias (D) is added to every row of base (M, D).
package func addRow(
    _ base: UnsafePointer<Float>, bias: UnsafePointer<Float>, sign: Float, rows: Int, dim: Int,
    into result: UnsafeMutablePointer<Float>
) {
    for row in 0..<rows {
        add(base + row &* dim, bias, sign: sign, count: dim, into: result + row &* dim)
    }
}

/// sums += sign * (sum of the rows of x (M, columns)), added row after row. The rows of x are `stride` elements apart.
package func addColumnSums(
    _ x: UnsafePointer<Float>, sign: Float, rows: Int, columns: Int, stride: Int,
    to sums: UnsafeMutablePointer<Float>
) {
    // A few rows at a time, so that reads stay sequential and the sums stay in the L1 cache.
    var top = 0
    while top < rows {
        let bottom = min(top &+ 8, rows)
        for (i, lanes) in Vectors(columns) {
            var total = load(sums + i, lanes)
            for row in top..<bottom { total += load(x + (row &* stride &+ i), lanes) * sign }
            store(total, sums + i, lanes)
        }
        top = bottom
    }
}

/// The same for a factor x.
package func addColumnSums(
    _ x: Operand, rows: Int, columns: Int, stride: Int? = nil, to sums: UnsafeMutablePointer<Float>
) {
    let stride = stride ?? columns
    guard x.format == .bfloat16 else {
        return addColumnSums(x.floats, sign: 1, rows: rows, columns: columns, stride: stride, to: sums)
    }
    for row in 0..<rows { add(sums, x + row * stride, count: columns, into: sums) }
}

/// The gradients per block when the gradient norm is computed. Sums of squares of blocks are added in block order, so
/// the norm does not depend on how ranks shard the flat buffer.
package let normBlockCount = 4096

/// The sum of squares. Each run of 1,024 elements is summed in single precision, the runs in Double.
package func sumOfSquares(_ x: UnsafePointer<Float>, count: Int) -> Double {
    sumOfSquares(count: count) { load(x + $0, $1) }
}

/// The sum of (x - y)^2, with the same precision as `sumOfSquares`.
package func sumOfSquaredDifferences(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int) -> Double {
    sumOfSquares(count: count) { load(x + $0, $1) - load(y + $0, $1) }
}

@inline(__always)
private func sumOfSquares(count: Int, _ vector: (_ index: Int, _ lanes: Int) -> Vector) -> Double {
    var total = 0.0
    var start = 0
    while start < count {
        var squares = Vector.zero
        for (i, lanes) in Vectors(min(1024, count &- start)) {
            let value = vector(start &+ i, lanes)
            squares += value * value
        }
        total += doubleSum(squares)
        start &+= 1024
    }
    return total
}

func scale(_ x: UnsafePointer<Float>, by factor: Float, count: Int, into result: UnsafeMutablePointer<Float>) {
    for (i, lanes) in Vectors(count) { store(load(x + i, lanes) * factor, result + i, lanes) }
}

package func allFinite(_ x: UnsafePointer<Float>, count: Int) -> Bool {
    // x - x is 0 if x is finite and NaN otherwise, and NaN propagates through the sum.
    var sum = Vector.zero
    for (i, lanes) in Vectors(count) {
        let value = load(x + i, lanes)
        sum += value - value
    }
    return doubleSum(sum) == 0
}

/// A 32-bit hash of the bits of x. Flipping any one bit changes it.
package func fingerprint(_ x: UnsafePointer<Float>, count: Int) -> UInt32 {
    // Sixteen multiplicative hashes in parallel. Multiplication by an odd factor is invertible.
    var hashes = SIMD16<UInt32>(repeating: 2_166_136_261)
    for (i, lanes) in Vectors(count) {
        let bits = unsafeBitCast(load(x + i, lanes), to: SIMD16<UInt32>.self)
        hashes = (hashes ^ bits) &* 16_777_619
    }
    return (0..<16).reduce(0) { ($0 ^ hashes[$1]) &* 16_777_619 }
}
