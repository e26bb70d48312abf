import Base
import Foundation

/// A shape of a drawn image: an outline with place, size and rotation, lit from one side, with a soft shadow.
struct DrawnShape {
    private let outline: ShapeOutline
    private let centre: SIMD2<Float>
    private let radius: Float
    /// (cosine, sine) of the rotation.
    private let turn: SIMD2<Float>
    private let fill: SIMD3<Float>
    private let light: SIMD2<Float>
    /// Offset of the shadow and width of its edge, in radii.
    private let shadowReach: Float
    private let shadowSoftness: Float

    init(style: DrawingStyle, light: SIMD2<Float>, using generator: inout KeyedGenerator) {
        outline = ShapeOutline(style.outline)
        centre = SIMD2(
            Float(generator.uniform(in: 0.2...0.8)), Float(generator.uniform(in: 0.2...0.8)))
        radius = Float(generator.uniform(in: 0.14...0.34))
        let angle = Float(generator.uniform(in: 0...2 * .pi))
        turn = SIMD2(cos(angle), sin(angle))
        fill = colour(
            hue: style.hue + generator.uniform(in: -0.07...0.07), saturation: generator.uniform(in: 0.55...0.95),
            brightness: generator.uniform(in: 0.55...1))
        self.light = light
        shadowReach = Float(generator.uniform(in: 0.12...0.3))
        shadowSoftness = Float(generator.uniform(in: 0.1...0.35))
    }

    /// Paints shadow and shape on the canvas (`side` x `side`, by rows), and the shape in white on `shapes`, RGB.
    func paint(on canvas: inout [SIMD3<Float>], shapes: inout [UInt8], side: Int) {
        let pixel = 1 / Float(side)
        let halfPixel = 0.5 * pixel / radius
        // Shape and shadow are within this distance of the centre, in rows or columns.
        let reach = radius * (1 + shadowReach + shadowSoftness)
        let rows = range(about: centre.y, reach: reach, side: side)
        let columns = range(about: centre.x, reach: reach, side: side)
        for row in rows {
            for column in columns {
                let place = (SIMD2(Float(column) + 0.5, Float(row) + 0.5) * pixel - centre) / radius
                let cast = distance(at: place + light * shadowReach)
                let shadow = 0.5 * (1 - smoothStep(-shadowSoftness, shadowSoftness, cast))
                let inside = distance(at: place)
                let cover = max(0, min(1, 0.5 - 0.5 * inside / halfPixel))
                let index = row * side + column
                let ground = canvas[index] * (1 - shadow)
                canvas[index] = ground + (surface(at: place, depth: -inside) - ground) * cover
                if inside < 0 { for channel in 0..<3 { shapes[3 * index + channel] = 255 } }
            }
        }
    }

    /// The colour of the shape: brighter towards the light, darker at the rim, a soft highlight.
    private func surface(at place: SIMD2<Float>, depth: Float) -> SIMD3<Float> {
        let facing = dot(place, light)
        let rim = smoothStep(0, 0.22, depth)
        let glance = place - light * 0.35
        let highlight = 0.35 * (1 - smoothStep(0, 0.5, dot(glance, glance).squareRoot())) * rim
        let lit = fill * (0.62 + 0.22 * rim + 0.28 * facing) + highlight
        return lit.clamped(lowerBound: .zero, upperBound: .one)
    }

    /// The signed distance at `place` (relative to the centre, in radii) to the turned outline.
    private func distance(at place: SIMD2<Float>) -> Float {
        outline.distance(
            at: SIMD2(place.x * turn.x + place.y * turn.y, place.y * turn.x - place.x * turn.y))
    }

    /// The rows or columns within `reach` of `position` that are on the canvas.
    private func range(about position: Float, reach: Float, side: Int) -> Range<Int> {
        let extent = Float(side)
        let first = max(0, min(side, Int((position - reach) * extent)))
        return first..<max(first, min(side, Int((position + reach) * extent) + 1))
    }
}

/// The outline of a shape around the origin, inside the unit circle, as a signed distance.
struct ShapeOutline {
    enum Kind: CaseIterable {
        case disc, square, triangle, ring, star, cross, crescent, hexagon
    }

    private let kind: Kind
    /// The corners of polygons, in order.
    private let corners: [SIMD2<Float>]

    init(_ kind: Kind) {
        self.kind = kind
        corners =
            switch kind {
            case .disc, .ring, .crescent: []
            case .square: ShapeOutline.polygon(radii: [1], count: 4)
            case .triangle: ShapeOutline.polygon(radii: [1], count: 3)
            case .hexagon: ShapeOutline.polygon(radii: [1], count: 6)
            case .star: ShapeOutline.polygon(radii: [1, 0.45], count: 10)
            case .cross: ShapeOutline.cross
            }
    }

    /// The distance from `point` to the outline, negative inside.
    func distance(at point: SIMD2<Float>) -> Float {
        let radius = dot(point, point).squareRoot()
        switch kind {
        case .disc: return radius - 0.85
        case .ring: return abs(radius - 0.7) - 0.22
        case .crescent:
            let bite = point - SIMD2(0.45, 0)
            return max(radius - 0.95, 0.75 - dot(bite, bite).squareRoot())
        case .square, .triangle, .hexagon, .star, .cross: return polygonDistance(at: point)
        }
    }

    /// The distance to the nearest edge; inside where a ray to the right crosses an odd number of edges.
    private func polygonDistance(at point: SIMD2<Float>) -> Float {
        corners.withUnsafeBufferPointer { corners in
            var nearest = Float.infinity
            var isInside = false
            var previous = corners[corners.count - 1]
            for corner in corners {
                let edge = corner - previous
                let offset = point - previous
                let along = max(0, min(1, dot(offset, edge) / dot(edge, edge)))
                let gap = offset - edge * along
                nearest = min(nearest, dot(gap, gap))
                if (corner.y > point.y) != (previous.y > point.y)
                    && point.x < previous.x + edge.x * (point.y - previous.y) / edge.y
                {
                    isInside.toggle()
                }
                previous = corner
            }
            return isInside ? -nearest.squareRoot() : nearest.squareRoot()
        }
    }

    /// `count` corners at equal angles, their radii taken in turn from `radii`.
    private static func polygon(radii: [Float], count: Int) -> [SIMD2<Float>] {
        (0..<count).map { corner in
            let angle = 2 * Float.pi * Float(corner) / Float(count)
            return SIMD2(sin(angle), -cos(angle)) * radii[corner % radii.count]
        }
    }

    private static let cross: [SIMD2<Float>] = [
        SIMD2(-0.3, -0.95), SIMD2(0.3, -0.95), SIMD2(0.3, -0.3), SIMD2(0.95, -0.3), SIMD2(0.95, 0.3),
        SIMD2(0.3, 0.3), SIMD2(0.3, 0.95), SIMD2(-0.3, 0.95), SIMD2(-0.3, 0.3), SIMD2(-0.95, 0.3),
        SIMD2(-0.95, -0.3), SIMD2(-0.3, -0.3),
    ]
}
