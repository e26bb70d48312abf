import Foundation

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
