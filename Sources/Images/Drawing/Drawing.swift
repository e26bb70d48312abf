import Base
import Foundation

/// Draws labelled images that a masked autoencoder can learn on: shaded shapes with shadows on textured grounds.
///
/// The class decides the kind of shape, the family of colours and the texture; everything else is drawn at random.
/// In an image, a unit of length is its side, and y points down.
package enum Drawing {
    /// Image `number` of class `label`, `side` x `side` pixels: a function of its arguments.
    ///
    /// Throws `Failure` if `side` is not positive or too large.
    package static func image(number: Int, label: Int, side: Int, seed: UInt64) throws -> Image {
        try scene(number: number, label: label, side: side, seed: seed).image
    }

    /// The image of `image(number:label:side:seed:)`, and its shapes without their shadows, white on black.
    package static func scene(number: Int, label: Int, side: Int, seed: UInt64) throws -> (image: Image, shapes: Image)
    {
        let pixelCount = try Image.pixelCount(width: side, height: side)
        var generator = KeyedGenerator(seed: seed, .drawing, number)
        let style = DrawingStyle(label: label)
        let angle = Float(generator.uniform(in: 0...2 * .pi))
        let light = SIMD2<Float>(cos(angle), sin(angle))

        var canvas = [SIMD3<Float>](repeating: .zero, count: pixelCount)
        var shapes = [UInt8](repeating: 0, count: 3 * pixelCount)
        let ground = DrawnGround(style: style, light: light, using: &generator)
        ground.paint(on: &canvas, side: side)
        // One shape or up to three, the later in front.
        for _ in 0...generator.index(below: 3) {
            let shape = DrawnShape(style: style, light: light, using: &generator)
            shape.paint(on: &canvas, shapes: &shapes, side: side)
        }
        return (
            try Image(width: side, height: side, pixels: developed(canvas, using: &generator)),
            try Image(width: side, height: side, pixels: shapes)
        )
    }

    /// The canvas (values in 0...1) as bytes, with mild noise.
    private static func developed(_ canvas: [SIMD3<Float>], using generator: inout KeyedGenerator) -> [UInt8] {
        let amplitude = Float(generator.uniform(in: 0.5...3)) / 128
        return [UInt8](unsafeUninitializedCapacity: canvas.count * 3) { pixels, initialised in
            for index in 0..<canvas.count {
                // Two bytes a channel, added: a triangular distribution in -255...255.
                let bits = generator.next()
                let first = SIMD3<Float>(Float(bits & 255), Float(bits >> 8 & 255), Float(bits >> 16 & 255))
                let second = SIMD3<Float>(
                    Float(bits >> 24 & 255), Float(bits >> 32 & 255), Float(bits >> 40 & 255))
                let level = canvas[index] * 255 + (first - second) * amplitude
                for channel in 0..<3 {
                    pixels[3 * index + channel] = UInt8(max(0, min(255, level[channel].rounded())))
                }
            }
            initialised = canvas.count * 3
        }
    }
}

/// What all images of a class have in common.
struct DrawingStyle {
    enum Texture: Int, CaseIterable {
        case gradient, stripes, checks, clouds, ripples
    }

    let outline: ShapeOutline.Kind
    let texture: Texture
    /// The mean hue of the shapes, in 0..<1; the ground's is opposite.
    let hue: Double

    init(label: Int) {
        let kinds = ShapeOutline.Kind.allCases
        let textures = Texture.allCases
        outline = kinds[label % kinds.count]
        // Shifts by one after every round of shapes, so that shape and texture go through all their pairs.
        texture = textures[(label + label / (kinds.count * textures.count)) % textures.count]
        // Multiples of the golden ratio spread evenly over the circle, however many there are.
        hue = (Double(label) * 0.618_033_988_75).truncatingRemainder(dividingBy: 1)
    }
}

/// RGB in 0...1 of a hue (in turns, any value), saturation and brightness (in 0...1).
func colour(hue: Double, saturation: Double, brightness: Double) -> SIMD3<Float> {
    var result = SIMD3<Float>()
    for channel in 0..<3 {
        // The distance on the circle from the channel's own hue: 0 gives full strength, a third of a turn none.
        let turns = hue - Double(channel) / 3
        let distance = abs(turns - turns.rounded())
        let strength = max(0, min(1, 2 - 6 * distance))
        result[channel] = Float(brightness * (1 - saturation * (1 - strength)))
    }
    return result
}

/// 0 below `low`, 1 above `high`, a smooth cubic between them.
@inline(__always)
func smoothStep(_ low: Float, _ high: Float, _ value: Float) -> Float {
    let t = max(0, min(1, (value - low) / (high - low)))
    return t * t * (3 - 2 * t)
}
