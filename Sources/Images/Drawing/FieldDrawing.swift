import Base

extension Drawing {
    /// The land uses of drawn fields.
    package static let landUses = LandUse.allCases.map(\.rawValue)

    /// Image `number` of land most of which has use `label` (an index of `landUses`), `side` x `side` pixels of red, green, blue and near
    /// infrared: reflectance times 10,000, in 16 bits. The mask is the land of that use that no cloud and no road hides.
    ///
    /// Throws `Failure` if `side` is not positive or too large.
    package static func land(number: Int, label: Int, side: Int, seed: UInt64) throws -> DrawnScene {
        let count = try Image.pixelCount(width: side, height: side)
        var generator = KeyedGenerator(seed: seed, .drawing, number, DrawingKind.fields.stream)
        let use = LandUse.allCases[label % LandUse.allCases.count]
        let land = DrawnLand(mostly: use, using: &generator)
        let pixel = 1 / Float(side)
        var mask = [UInt8](repeating: 0, count: 3 * count)
        var values: [UInt16] = []
        values.reserveCapacity(4 * count)
        for index in 0..<count {
            let point = SIMD2(Float(index % side) + 0.5, Float(index / side) + 0.5) * pixel
            let (found, reflectance) = land.surface(at: point, pixel: pixel)
            if found == use { for channel in 0..<3 { mask[3 * index + channel] = 255 } }
            for band in 0..<4 {
                let value = reflectance[band] * (1 + 0.02 * generator.noise()) + 15 * generator.noise()
                values.append(UInt16(max(1, min(12_000, value.rounded()))))
            }
        }
        return DrawnScene(
            image: try Image(
                width: side, height: side, pixels: littleEndian(values), format: PixelFormat(channels: 4, depth: 16)),
            mask: try Image(width: side, height: side, pixels: mask))
    }
}

/// What covers the ground, with its spectrum: reflectance times 10,000 in red, green, blue, near infrared.
enum LandUse: String, CaseIterable {
    case crops, forest, soil, urban, water

    var spectrum: SIMD4<Float> {
        switch self {
        case .crops: SIMD4(480, 800, 420, 4100)
        case .forest: SIMD4(300, 480, 260, 2700)
        case .soil: SIMD4(2200, 1700, 1250, 2800)
        case .urban: SIMD4(1650, 1550, 1500, 1900)
        case .water: SIMD4(280, 420, 520, 130)
        }
    }
}

/// A patchwork of parcels with roads and clouds.
struct DrawnLand {
    private static let road = SIMD4<Float>(1350, 1300, 1250, 1500)
    private static let cloud = SIMD4<Float>(7200, 7300, 7600, 7800)
    private let heading: SIMD2<Float>
    private let origin: SIMD2<Float>
    /// Parcels per side of the image.
    private let scale: Float
    private let dominant: LandUse
    private let key: UInt64
    private let haze: Float
    private let clouds: Float
    private let noise: ValueNoise

    init(mostly dominant: LandUse, using generator: inout KeyedGenerator) {
        self.dominant = dominant
        heading = Images.heading(turns: generator.uniform())
        origin = generator.point()
        scale = generator.float(in: 3...5)
        key = generator.next()
        haze = generator.float(in: 0.9...1.15)
        clouds = generator.float(in: 0.55...0.95)
        noise = ValueNoise(key: generator.next())
    }

    /// The use of the land (nil: a road or a cloud) and the reflectance at `point` of the image.
    func surface(at point: SIMD2<Float>, pixel: Float) -> (use: LandUse?, reflectance: SIMD4<Float>) {
        let place = turned(point - 0.5, by: heading) * scale + origin * 64
        let parcel = nearestParcel(to: place)
        let use = use(of: parcel.bits)
        var reflectance = use.spectrum * texture(use, at: place, bits: parcel.bits) * haze
        // Every fourth border is a road.
        let isRoad = parcel.hasRoad && use != .water && parcel.border < max(0.05, 0.8 * pixel * scale)
        if isRoad { reflectance = Self.road }
        let cloud = smoothStep(clouds, clouds + 0.15, noise.octaves(at: point * 3 + 100))
        reflectance = mix(reflectance, Self.cloud, cloud)
        return (isRoad || cloud > 0.3 ? nil : use, reflectance)
    }

    /// Parcels are the points nearest to one of the sites of a jittered grid.
    private func nearestParcel(to place: SIMD2<Float>) -> (bits: UInt64, border: Float, hasRoad: Bool) {
        let cell = place.rounded(.down)
        var first = (square: Float.infinity, bits: UInt64(0))
        var second = first
        for dy in -1...1 {
            for dx in -1...1 {
                let corner = cell + SIMD2(Float(dx), Float(dy))
                let position = UInt64(truncatingIfNeeded: Int(corner.x) &* 0x1_0000 &+ Int(corner.y))
                let bits = KeyedGenerator.mixed(key &+ position &* 0x9E37_79B9_7F4A_7C15)
                let jitter = SIMD2(Float(bits & 0xFFFF), Float(bits >> 16 & 0xFFFF)) * (0.7 / 65_536) + 0.15
                let offset = corner + jitter - place
                let square = dot(offset, offset)
                if square < first.square {
                    (first, second) = ((square, bits), first)
                } else if square < second.square {
                    second = (square, bits)
                }
            }
        }
        let border = second.square.squareRoot() - first.square.squareRoot()
        return (first.bits, border, (first.bits ^ second.bits) >> 32 & 3 == 0)
    }

    /// Six of ten parcels have the dominant use; the others any.
    private func use(of bits: UInt64) -> LandUse {
        let draw = Int(bits >> 40 & 0xFF)
        guard draw >= 154 else { return dominant }
        return LandUse.allCases[Int(bits >> 48 & 0xFF) % LandUse.allCases.count]
    }

    /// A factor: rows of crops, crowns of trees, blocks of houses.
    private func texture(_ use: LandUse, at place: SIMD2<Float>, bits: UInt64) -> Float {
        let tone = 0.85 + 0.3 * Float(bits >> 56) / 255
        let rough = noise.octaves(at: place * 8) - 0.5
        switch use {
        case .crops:
            let direction = Images.heading(turns: Double(bits >> 20 & 0xFF) / 256)
            return tone * (1 + 0.12 * wave(dot(place, direction) * 9) + 0.15 * rough)
        case .forest: return tone * (1 + 0.6 * (noise.value(at: place * 14 + 300) - 0.5) + 0.2 * rough)
        case .soil: return tone * (1 + 0.25 * rough)
        case .urban:
            let block = (place * 6).rounded(.down)
            return tone * (0.7 + 0.7 * noise.value(at: block + 0.001) + 0.1 * rough)
        case .water: return 0.95 + 0.1 * tone + 0.1 * rough
        }
    }
}
