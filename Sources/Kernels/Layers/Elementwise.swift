/// result = base + other, element by element.
package func add(
    _ base: UnsafePointer<Float>, _ other: Operand, count: Int, into result: UnsafeMutablePointer<Float>
) {
    if other.format == .bfloat16 {
        let halves = other.elements(BFloat16.self)
        var i = 0
        while i < count {
            let lanes = count &- i
            store(load(base + i, lanes) + BFloat16.load(halves + i, lanes), result + i, lanes)
            i &+= 16
        }
    } else {
        add(base, other.floats, sign: 1, count: count, into: result)
    }
}

/// result = base + sign * other, element by element. The three may be the same memory.
package func add(
    _ base: UnsafePointer<Float>, _ other: UnsafePointer<Float>, sign: Float, count: Int,
    into result: UnsafeMutablePointer<Float>
) {
    var i = 0
    while i < count {
        let lanes = count &- i
        store(load(base + i, lanes) + load(other + i, lanes) * sign, result + i, lanes)
        i &+= 16
    }
}

/// result = base + sign * bias, the same bias (D) for each of the rows of base and result (M, D).
package func addRow(
    _ base: UnsafePointer<Float>, bias: UnsafePointer<Float>, sign: Float, rows: Int, dim: Int,
    into result: UnsafeMutablePointer<Float>
) {
    for row in 0..<rows {
        add(base + row &* dim, bias, sign: sign, count: dim, into: result + row &* dim)
    }
}

/// sums += sign * (sum of the rows of x (M, columns)), rows of x `stride` apart.
package func addColumnSums(
    _ x: UnsafePointer<Float>, sign: Float, rows: Int, columns: Int, stride: Int,
    to sums: UnsafeMutablePointer<Float>
) {
    // A few rows at a time, so that each stays one run of memory and the sums stay in the first cache.
    var top = 0
    while top < rows {
        let bottom = min(top &+ 8, rows)
        var i = 0
        while i < columns {
            let lanes = columns &- i
            var total = Vector.zero
            for row in top..<bottom { total += load(x + (row &* stride &+ i), lanes) }
            store(load(sums + i, lanes) + total * sign, sums + i, lanes)
            i &+= 16
        }
        top = bottom
    }
}

/// Gradients whose squares are summed together: the sums of these blocks are added up in their order, so that the norm of all
/// gradients does not depend on how ranks divide the flat buffer.
package let normBlockCount = 4096

/// The sum of the squares of `count` elements, accumulated in Double after every 1,024 of them.
package func sumOfSquares(_ x: UnsafePointer<Float>, count: Int) -> Double {
    sumOfSquares(count: count) { load(x + $0, $1) }
}

/// The sum of (x - y)^2 over `count` elements, accumulated likewise.
package func sumOfSquaredDifferences(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int) -> Double {
    sumOfSquares(count: count) { load(x + $0, $1) - load(y + $0, $1) }
}

@inline(__always)
private func sumOfSquares(count: Int, _ vector: (_ index: Int, _ lanes: Int) -> Vector) -> Double {
    var total = 0.0
    var start = 0
    while start < count {
        let end = min(start &+ 1024, count)
        var squares = Vector.zero
        var i = start
        while i < end {
            let value = vector(i, end &- i)
            squares += value * value
            i &+= 16
        }
        total += doubleSum(squares)
        start = end
    }
    return total
}

/// result = factor * x, element by element.
func scale(_ x: UnsafePointer<Float>, by factor: Float, count: Int, into result: UnsafeMutablePointer<Float>) {
    var i = 0
    while i < count {
        let lanes = count &- i
        store(load(x + i, lanes) * factor, result + i, lanes)
        i &+= 16
    }
}

/// target = sign source (rows, columns), whose rows are `stride` and `targetStride` apart.
@inline(__always)
func copyRows<Source: OperandElement, Target: OperandElement>(
    _ source: UnsafePointer<Source>, stride: Int, sign: Float = 1, rows: Int, columns: Int,
    to target: UnsafeMutablePointer<Target>, targetStride: Int
) {
    for row in 0..<rows {
        let (from, to) = (source + row &* stride, target + row &* targetStride)
        var i = 0
        while i < columns {
            Target.store(Source.load(from + i, columns &- i) * sign, to + i, columns &- i)
            i &+= 16
        }
    }
}

/// Whether all `count` elements are finite.
package func allFinite(_ x: UnsafePointer<Float>, count: Int) -> Bool {
    // x - x is 0, or not a number where x is not finite; and so is every sum with such a term.
    var sum = Vector.zero
    var i = 0
    while i < count {
        let value = load(x + i, count &- i)
        sum += value - value
        i &+= 16
    }
    return doubleSum(sum) == 0
}

/// A hash of the bits of `count` elements: 32 bits that any flipped bit changes.
package func fingerprint(_ x: UnsafePointer<Float>, count: Int) -> UInt32 {
    // Sixteen multiplicative hashes side by side; an odd factor loses nothing.
    var lanes = SIMD16<UInt32>(repeating: 2_166_136_261)
    var i = 0
    while i < count {
        let bits = unsafeBitCast(load(x + i, count &- i), to: SIMD16<UInt32>.self)
        lanes = (lanes ^ bits) &* 16_777_619
        i &+= 16
    }
    return (0..<16).reduce(0) { ($0 ^ lanes[$1]) &* 16_777_619 }
}
