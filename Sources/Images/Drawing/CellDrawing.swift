import Base

extension Drawing {
    /// The kinds of drawn cells.
    package static let cells = CellStyle.allCases.map(\.rawValue)

    /// Image `number` of cells of kind `label` (an index of `cells`), `side` x `side` pixels: one channel of 16 bits whose values are
    /// those of a camera of 12, at most 4095. The mask is the cells.
    ///
    /// Throws `Failure` if `side` is not positive or too large.
    package static func microscopy(number: Int, label: Int, side: Int, seed: UInt64) throws -> DrawnScene {
        let count = try Image.pixelCount(width: side, height: side)
        var generator = KeyedGenerator(seed: seed, .drawing, number, DrawingKind.cells.stream)
        let field = MicroscopeField(using: &generator)
        let style = CellStyle.allCases[label % CellStyle.allCases.count]
        var signal = [Float](repeating: 0, count: count)
        var mask = [UInt8](repeating: 0, count: 3 * count)
        for _ in 0..<(style.fewest + generator.index(below: style.fewest)) {
            let centre = generator.point(margin: 0.03)
            for cell in DrawnCell.group(style, at: centre, using: &generator) {
                cell.paint(on: &signal, mask: &mask, side: side)
            }
        }
        let values = field.exposed(signal, side: side, using: &generator)
        return DrawnScene(
            image: try Image(
                width: side, height: side, pixels: littleEndian(values),
                format: PixelFormat(channels: 1, depth: 16)),
            mask: try Image(width: side, height: side, pixels: mask))
    }
}

/// What distinguishes the classes of cells.
enum CellStyle: String, CaseIterable {
    case round, elongated, granular, dividing

    /// Cells, or pairs of them, of an image are from this number to nearly its double.
    var fewest: Int { self == .dividing ? 4 : 7 }
}

/// The background of an image and the camera.
struct MicroscopeField {
    private let offset: Float
    private let haze: Float
    /// The brightest point of the illumination, and how fast it falls off.
    private let middle: SIMD2<Float>
    private let fall: Float
    private let noise: ValueNoise

    init(using generator: inout KeyedGenerator) {
        offset = generator.float(in: 150...260)
        haze = generator.float(in: 60...200)
        middle = generator.point(margin: 0.3)
        fall = generator.float(in: 0.4...0.9)
        noise = ValueNoise(key: generator.next())
    }

    /// The values of the camera for `signal`, in counts: unevenly lit, with the noise of photons and of reading.
    func exposed(_ signal: [Float], side: Int, using generator: inout KeyedGenerator) -> [UInt16] {
        let pixel = 1 / Float(side)
        return (0..<signal.count).map { index in
            let point = SIMD2(Float(index % side) + 0.5, Float(index / side) + 0.5) * pixel
            let reach = point - middle
            let light = 1 / (1 + fall * dot(reach, reach) * 2)
            let photons = light * (signal[index] + haze * (0.5 + noise.octaves(at: point * 3)))
            let deviation = (64 + 1.5 * photons).squareRoot()
            return UInt16(max(0, min(4095, (offset + photons + deviation * generator.noise()).rounded())))
        }
    }
}

/// A blob with a nucleus and a texture.
struct DrawnCell {
    private let centre: SIMD2<Float>
    private let heading: SIMD2<Float>
    /// Half of the length and of the width.
    private let extent: SIMD2<Float>
    private let brightness: Float
    private let grains: Float
    private let noise: ValueNoise

    /// One cell, or two that have not parted yet.
    static func group(
        _ style: CellStyle, at centre: SIMD2<Float>, using generator: inout KeyedGenerator
    ) -> [DrawnCell] {
        let heading = Images.heading(turns: generator.uniform())
        let radius = generator.float(in: 0.05...0.075)
        let brightness = generator.float(in: 500...1500)
        func cell(_ centre: SIMD2<Float>, _ extent: SIMD2<Float>, _ grains: Float) -> DrawnCell {
            DrawnCell(
                centre: centre, heading: heading, extent: extent, brightness: brightness, grains: grains,
                noise: ValueNoise(key: generator.next()))
        }
        switch style {
        case .round: return [cell(centre, SIMD2(radius, 0.9 * radius), 0.3)]
        case .elongated: return [cell(centre, SIMD2(1.7 * radius, 0.55 * radius), 0.3)]
        case .granular: return [cell(centre, SIMD2(radius, 0.9 * radius), 1.3)]
        case .dividing:
            return [-0.75, 0.75].map {
                cell(centre + heading * (radius * $0), SIMD2(0.75 * radius, 0.85 * radius), 0.3)
            }
        }
    }

    /// Adds the cell's light to `signal` and marks it on `mask`, RGB; both are `side` x `side`.
    func paint(on signal: inout [Float], mask: inout [UInt8], side: Int) {
        let pixel = 1 / Float(side)
        let reach = 1.3 * max(extent.x, extent.y)
        func range(_ middle: Float) -> Range<Int> {
            let first = max(0, min(side, Int((middle - reach) * Float(side))))
            return first..<max(first, min(side, Int((middle + reach) * Float(side)) + 1))
        }
        for row in range(centre.y) {
            for column in range(centre.x) {
                let offset = SIMD2(Float(column) + 0.5, Float(row) + 0.5) * pixel - centre
                let place = SIMD2(dot(offset, heading), offset.y * heading.x - offset.x * heading.y) / extent
                let uneven = noise.value(at: place * 1.5 + 20) - 0.5
                let radius = dot(place, place).squareRoot() + 0.25 * uneven
                guard radius < 1.2 else { continue }
                let body = 1 - smoothStep(0.75, 1.15, radius)
                let nucleus = 1 - smoothStep(0.2, 0.5, radius)
                let texture = 1 + grains * (noise.value(at: place * 5 + 60) - 0.5)
                let index = row * side + column
                signal[index] = max(signal[index], brightness * (body * texture + 0.5 * nucleus))
                if radius < 0.95 { for channel in 0..<3 { mask[3 * index + channel] = 255 } }
            }
        }
    }
}

/// The bytes of `values`, the lower one first.
func littleEndian(_ values: [UInt16]) -> [UInt8] {
    values.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
}
