import Base

/// An image and, white on black, what is to be found in it.
package struct DrawnScene: Sendable {
    package let image: Image
    /// RGB of 8 bits; nil where there is nothing to be found.
    package let mask: Image?
}

extension Drawing {
    /// Image `number` of a surface of product `label` (metal, fabric, board, in turn), with a defect of kind `defect` (an index of
    /// `defects`) or with none, `side` x `side` pixels of RGB.
    ///
    /// Throws `Failure` if `side` is not positive or too large.
    package static func surface(
        number: Int, label: Int, defect: Int?, side: Int, seed: UInt64
    ) throws -> DrawnScene {
        let count = try Image.pixelCount(width: side, height: side)
        var generator = KeyedGenerator(seed: seed, .drawing, number, DrawingKind.defects.stream)
        let products = DrawnSurface.Product.allCases
        let surface = DrawnSurface(products[label % products.count], using: &generator)
        let flaw = defect.map { DrawnDefect(DrawnDefect.Kind.allCases[$0], on: surface, using: &generator) }
        let grain = generator.float(in: 0.5...2)
        let pixel = 1 / Float(side)
        var pixels = [UInt8](repeating: 0, count: 3 * count)
        var mask = [UInt8](repeating: 0, count: flaw == nil ? 0 : 3 * count)
        for index in 0..<count {
            let point = SIMD2(Float(index % side) + 0.5, Float(index / side) + 0.5) * pixel
            let cover = flaw?.cover(at: point, on: surface, pixel: pixel) ?? (share: 0, side: 0)
            var colour: SIMD3<Float>
            if let flaw, cover.share > 0 {
                colour = flaw.colour(at: point, cover: cover, on: surface, pixel: pixel)
                if cover.share >= 0.5 { for channel in 0..<3 { mask[3 * index + channel] = 255 } }
            } else {
                colour = surface.colour(at: surface.place(point), presence: 1, pixel: pixel)
            }
            colour *= surface.brightness(at: point)
            for channel in 0..<3 {
                let level = 255 * colour[channel] + grain * generator.noise()
                pixels[3 * index + channel] = UInt8(max(0, min(255, level.rounded())))
            }
        }
        return DrawnScene(
            image: try Image(width: side, height: side, pixels: pixels),
            mask: flaw == nil ? nil : try Image(width: side, height: side, pixels: mask))
    }

    /// The names of products and of kinds of defects.
    package static let products = DrawnSurface.Product.allCases.map { "\($0)" }
    package static let defects = DrawnDefect.Kind.allCases.map(\.rawValue)
}
