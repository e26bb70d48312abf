import Images

/// A plain bicubic filter in double precision; the first pass is optionally rounded to 8 bits.
func naiveResample(_ image: Image, _ framing: Framing, isRounded: Bool) -> [Double] {
    let crop = framing.crop
    let window = framing.window
    func level(_ value: Double) -> Double { isRounded ? max(0, min(255, value.rounded())) : value }

    var narrowed = [Double](repeating: 0, count: crop.height * window.width * 3)
    for row in 0..<crop.height {
        for column in 0..<window.width {
            let weights = naiveWeights(at: window.x + column, input: crop.width, output: framing.width)
            let target = framing.isFlipped ? window.width - 1 - column : column
            for channel in 0..<3 {
                var sum = 0.0
                for (input, weight) in weights {
                    let place = (crop.y + row) * image.width + crop.x + input
                    sum += weight * Double(image.pixels[3 * place + channel])
                }
                narrowed[(row * window.width + target) * 3 + channel] = level(sum)
            }
        }
    }
    var result: [Double] = []
    for row in 0..<window.height {
        let weights = naiveWeights(at: window.y + row, input: crop.height, output: framing.height)
        for value in 0..<window.width * 3 {
            let sum = weights.reduce(0.0) { $0 + $1.weight * narrowed[$1.input * window.width * 3 + value] }
            result.append(max(0, min(255, sum)))
        }
    }
    return result
}

private func naiveWeights(at position: Int, input: Int, output: Int) -> [(input: Int, weight: Double)] {
    let scale = Double(input) / Double(output)
    let widening = max(1, scale)
    let centre = (Double(position) + 0.5) * scale
    var weights: [(input: Int, weight: Double)] = []
    for index in 0..<input {
        let x = abs(Double(index) + 0.5 - centre) / widening
        guard x < 2 else { continue }
        let weight = x < 1 ? 1.5 * x * x * x - 2.5 * x * x + 1 : -0.5 * x * x * x + 2.5 * x * x - 4 * x + 2
        weights.append((index, weight))
    }
    let sum = weights.reduce(0) { $0 + $1.weight }
    return weights.map { ($0.input, $0.weight / sum) }
}
