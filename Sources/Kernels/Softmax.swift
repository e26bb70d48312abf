// T tokens; scores are (T, T) with rows `stride` apart, a multiple of 16 that is at least T. What lies between
// T and the stride is padding: it holds zeros after the forward pass, so that whole vectors may be read.

/// The distance of the rows of a matrix of scores over `tokens` tokens.
public func scoreStride(tokens: Int) -> Int { (tokens + 15) / 16 * 16 }

/// A = softmax(S) row by row, in place: exp(s - max) / sum of exp(s - max).
func softmaxRows(_ scores: UnsafeMutablePointer<Float>, tokens: Int, stride: Int) {
    let tail = tokens & 15
    for row in 0..<tokens {
        let line = scores + row &* stride
        if tail != 0 {
            for column in tokens..<stride { line[column] = -.infinity }
        }
        var largest = Vector(repeating: -.infinity)
        var i = 0
        while i < tokens {
            let value = load(line + i, 16)
            largest.replace(with: value, where: value .> largest)
            i &+= 16
        }
        let maximum = largest.max()
        var total = Vector.zero
        i = 0
        while i < tokens {
            let value = exponential(load(line + i, 16) - maximum)
            store(value, line + i, 16)
            total += value
            i &+= 16
        }
        let inverse = 1 / total.sum()
        i = 0
        while i < tokens {
            store(load(line + i, 16) * inverse, line + i, 16)
            i &+= 16
        }
    }
}

/// dS = A * (dA - rowsum(A * dA)), in place of dA. The row sum equals rowsum(dO * O), at less cost.
func softmaxRowsBackward(
    _ gradient: UnsafeMutablePointer<Float>, probabilities: UnsafePointer<Float>, tokens: Int, stride: Int
) {
    for row in 0..<tokens {
        let line = gradient + row &* stride
        let weights = probabilities + row &* stride
        var projection = Vector.zero
        var i = 0
        while i < tokens {
            projection += load(line + i, 16) * load(weights + i, 16)
            i &+= 16
        }
        let shift = projection.sum()
        i = 0
        while i < tokens {
            store((load(line + i, 16) - shift) * load(weights + i, 16), line + i, 16)
            i &+= 16
        }
    }
}

/// G = G + G^T in place, tile by tile so that both tiles stay in the first cache.
func symmetrise(_ matrix: UnsafeMutablePointer<Float>, tokens: Int, stride: Int) {
    let tile = 16
    var top = 0
    while top < tokens {
        let bottom = min(top &+ tile, tokens)
        var left = top
        while left < tokens {
            let right = min(left &+ tile, tokens)
            for row in top..<bottom {
                var column = max(left, row)
                while column < right {
                    let sum = matrix[row &* stride &+ column] + matrix[column &* stride &+ row]
                    matrix[row &* stride &+ column] = sum
                    matrix[column &* stride &+ row] = sum
                    column &+= 1
                }
            }
            left &+= tile
        }
        top &+= tile
    }
}
