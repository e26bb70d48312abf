import Base
import Foundation

/// The ground of a drawn image: two colours mixed by a texture, lit from one side, slightly rough.
struct DrawnGround {
    private let texture: DrawingStyle.Texture
    private let colours: (SIMD3<Float>, SIMD3<Float>)
    private let light: SIMD2<Float>
    /// Direction, waves per side and phase of the texture.
    private let direction: SIMD2<Float>
    private let frequency: Float
    private let origin: SIMD2<Float>
    private let noise: ValueNoise

    init(style: DrawingStyle, light: SIMD2<Float>, using generator: inout KeyedGenerator) {
        texture = style.texture
        self.light = light
        let hue = style.hue + 0.5 + generator.uniform(in: -0.08...0.08)
        let brightness = generator.uniform(in: 0.45...0.95)
        colours = (
            colour(hue: hue, saturation: generator.uniform(in: 0.15...0.6), brightness: brightness),
            colour(
                hue: hue + generator.uniform(in: -0.1...0.1), saturation: generator.uniform(in: 0.15...0.6),
                brightness: brightness - generator.uniform(in: 0.2...0.4))
        )
        let angle = Float(generator.uniform(in: 0...2 * .pi))
        direction = SIMD2(cos(angle), sin(angle))
        frequency = Float(generator.uniform(in: 3...8))
        origin = SIMD2(Float(generator.uniform()), Float(generator.uniform()))
        noise = ValueNoise(key: generator.next())
    }

    /// Fills the canvas (`side` x `side`, by rows).
    func paint(on canvas: inout [SIMD3<Float>], side: Int) {
        let pixel = 1 / Float(side)
        for row in 0..<side {
            for column in 0..<side {
                let point = SIMD2(Float(column) + 0.5, Float(row) + 0.5) * pixel
                let rough = noise.value(at: point * 14) - 0.5
                let share = max(0, min(1, mixture(at: point, pixel: pixel) + 0.12 * rough))
                let lit = 1 + 0.25 * dot(point - 0.5, light) + 0.10 * rough
                let base = colours.0 + (colours.1 - colours.0) * share
                canvas[row * side + column] = (base * lit).clamped(lowerBound: .zero, upperBound: .one)
            }
        }
    }

    /// The share of the second colour at `point`; edges are one `pixel` wide.
    private func mixture(at point: SIMD2<Float>, pixel: Float) -> Float {
        let along = dot(point - origin, direction)
        let across = dot(point - origin, SIMD2(-direction.y, direction.x))
        switch texture {
        case .gradient: return smoothStep(-0.6, 0.6, along)
        case .stripes: return edge(sin(along * frequency * 2 * .pi), pixel: pixel)
        case .checks:
            return edge(sin(along * frequency * .pi) * sin(across * frequency * .pi), pixel: pixel)
        case .clouds:
            let coarse = noise.value(at: point * frequency)
            return smoothStep(0.25, 0.75, 0.7 * coarse + 0.3 * noise.value(at: point * (2.3 * frequency) + 7))
        case .ripples: return 0.5 + 0.5 * sin((along * along + across * across).squareRoot() * frequency * 2 * .pi)
        }
    }

    /// The sign of a wave as 0 or 1, smoothed over about a pixel.
    private func edge(_ wave: Float, pixel: Float) -> Float {
        let slope = frequency * .pi * pixel
        return smoothStep(-slope, slope, wave)
    }
}

/// Smooth random values: drawn at whole coordinates, interpolated between them.
struct ValueNoise {
    let key: UInt64

    /// The value at `point`, in 0...1.
    func value(at point: SIMD2<Float>) -> Float {
        let corner = point.rounded(.down)
        let offset = point - corner
        let weight = offset * offset * (3 - 2 * offset)
        let x = Int(corner.x)
        let y = Int(corner.y)
        let upper = lattice(x, y) + (lattice(x + 1, y) - lattice(x, y)) * weight.x
        let lower = lattice(x, y + 1) + (lattice(x + 1, y + 1) - lattice(x, y + 1)) * weight.x
        return upper + (lower - upper) * weight.y
    }

    private func lattice(_ x: Int, _ y: Int) -> Float {
        let position = UInt64(truncatingIfNeeded: x &* 0x1_0000 &+ y)
        return Float(KeyedGenerator.mixed(key &+ position &* 0x9E37_79B9_7F4A_7C15) >> 40) * 0x1p-24
    }
}

@inline(__always)
func dot(_ a: SIMD2<Float>, _ b: SIMD2<Float>) -> Float { a.x * b.x + a.y * b.y }
