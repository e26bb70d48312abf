import Base

/// A defect of a drawn surface, about 0.3 to 5 % of the image.
struct DrawnDefect {
    enum Kind: String, CaseIterable {
        /// A shallow groove, bright on one side and dark on the other.
        case scratch
        /// A soft spot of another tone.
        case stain
        /// An element of the pattern is not there.
        case missing
        /// A dark, jagged, branched line.
        case crack
        /// A part of the pattern is out of place.
        case distortion
    }

    let kind: Kind
    /// In the image, or on the surface if an element is missing.
    private let centre: SIMD2<Float>
    /// Half the width of lines and the radius of spots; half of the width and of the height of what is missing.
    private let radius: SIMD2<Float>
    private let lines: [Polyline]
    private let tone: SIMD3<Float>
    private let strength: Float
    private let shift: SIMD2<Float>
    private let noise: ValueNoise

    init(_ kind: Kind, on surface: DrawnSurface, using generator: inout KeyedGenerator) {
        self.kind = kind
        let place = generator.point(margin: 0.2)
        let element = surface.element(around: surface.place(place))
        switch kind {
        case .missing: centre = element
        // Where the pattern is even, a shift would not show.
        case .distortion: centre = surface.point(at: element)
        case .scratch, .stain, .crack: centre = place
        }
        let size = generator.uniform()
        radius = Self.radius(of: kind, product: surface.product, size: Float(size))
        lines = Self.lines(of: kind, around: place, size: size, using: &generator)
        let isBright = generator.uniform() < 0.5
        let amount = generator.float(in: 0.14...0.26)
        // Warmer than the surface where it is darker, colder where it is brighter.
        tone = isBright ? 1 + amount * SIMD3<Float>(0.7, 0.9, 1.1) : 1 - amount * SIMD3<Float>(0.7, 1, 1.4)
        strength = generator.float(in: 0.3...0.5)
        shift = heading(turns: generator.uniform(in: 0.05...0.2)) * (0.35 / surface.product.pitch)
        noise = ValueNoise(key: generator.next())
    }

    /// How much of the defect is at `point` of the image, from 0 to 1, and on which side of its middle, from -1 to 1.
    func cover(at point: SIMD2<Float>, on surface: DrawnSurface, pixel: Float) -> (share: Float, side: Float) {
        switch kind {
        case .scratch, .crack:
            let nearest = lines.map { $0.distance(to: point) }.min { abs($0) < abs($1) } ?? 1
            let width = kind == .crack ? radius.x * (0.5 + noise.value(at: point * 30)) : radius.x
            return (1 - smoothStep(width - pixel / 2, width + pixel / 2, abs(nearest)), nearest / width)
        case .stain, .distortion:
            let offset = point - centre
            let distance = dot(offset, offset).squareRoot() / radius.x + 0.8 * (noise.octaves(at: point * 9) - 0.5)
            let softness: Float = kind == .stain ? 0.2 : 0.05
            return (1 - smoothStep(1 - softness, 1 + softness, distance), 0)
        case .missing:
            let offset = surface.place(point) - centre
            let isInside = abs(offset.x) < radius.x && abs(offset.y) < radius.y
            return (isInside ? 1 : 0, 0)
        }
    }

    /// The colour at `point` of the image of a surface with the defect, evenly lit.
    func colour(
        at point: SIMD2<Float>, cover: (share: Float, side: Float), on surface: DrawnSurface, pixel: Float
    ) -> SIMD3<Float> {
        let place = surface.place(point)
        let sound = surface.colour(at: place, presence: 1, pixel: pixel)
        switch kind {
        case .scratch: return sound * (1 + strength * cover.share * max(-1, min(1, 1.5 * cover.side)))
        case .crack: return sound * (1 - 1.2 * strength * cover.share)
        case .stain: return mix(sound, sound * tone, cover.share)
        case .missing: return surface.colour(at: place, presence: 1 - cover.share, pixel: pixel)
        case .distortion:
            return mix(sound, surface.colour(at: place + shift, presence: 1, pixel: pixel), cover.share)
        }
    }

    private static func radius(of kind: Kind, product: DrawnSurface.Product, size: Float) -> SIMD2<Float> {
        switch kind {
        case .scratch: return SIMD2(repeating: 0.010 + 0.006 * size)
        case .crack: return SIMD2(repeating: 0.009 + 0.004 * size)
        case .stain, .distortion: return SIMD2(repeating: 0.055 + 0.06 * size)
        case .missing:
            switch product {
            case .metal: return SIMD2(repeating: 0.1)
            case .fabric: return SIMD2(repeating: 0.5 / 6)
            case .board: return SIMD2(repeating: 0.1)
            }
        }
    }

    private static func lines(
        of kind: Kind, around place: SIMD2<Float>, size: Double, using generator: inout KeyedGenerator
    ) -> [Polyline] {
        let angle = generator.uniform()
        let bend = generator.uniform(in: -0.012...0.012)
        switch kind {
        case .scratch:
            return [
                Polyline(from: place, turns: angle, step: 0.035 + 0.02 * size, bend: bend, jitter: 0, using: &generator)
            ]
        case .crack:
            let stem = Polyline(
                from: place, turns: angle, step: 0.035 + 0.015 * size, bend: 0, jitter: 0.09, using: &generator)
            let branch = Polyline(
                from: stem.corners[4], turns: angle + 0.12, step: 0.018, bend: 0, jitter: 0.09, using: &generator)
            return [stem, branch]
        case .stain, .missing, .distortion: return []
        }
    }
}

/// Eight segments in a row.
struct Polyline {
    let corners: [SIMD2<Float>]

    /// Segments of length `step`; each turns by `bend`, and by up to `jitter`, both in turns.
    init(
        from middle: SIMD2<Float>, turns: Double, step: Double, bend: Double, jitter: Double,
        using generator: inout KeyedGenerator
    ) {
        var corners = [middle - heading(turns: turns) * Float(4 * step)]
        for segment in 0..<8 {
            let angle = turns + bend * Double(segment - 4) + jitter * (2 * generator.uniform() - 1)
            corners.append(corners[segment] + heading(turns: angle) * Float(step))
        }
        self.corners = corners
    }

    /// The distance to the nearest segment, negative on its right side.
    func distance(to point: SIMD2<Float>) -> Float {
        corners.withUnsafeBufferPointer { corners in
            var (nearest, side) = (Float.infinity, Float(1))
            for index in 1..<corners.count {
                let edge = corners[index] - corners[index - 1]
                let offset = point - corners[index - 1]
                let along = max(0, min(1, dot(offset, edge) / dot(edge, edge)))
                let gap = offset - edge * along
                let square = dot(gap, gap)
                if square < nearest { (nearest, side) = (square, edge.x * offset.y - edge.y * offset.x) }
            }
            return side < 0 ? -nearest.squareRoot() : nearest.squareRoot()
        }
    }
}
