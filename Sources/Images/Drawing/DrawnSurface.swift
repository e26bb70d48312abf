import Base

/// A manufactured surface: a regular pattern on a ground, as it lies under the camera.
///
/// Points of the surface are in units of the image's side, turned and shifted against the image's.
struct DrawnSurface {
    enum Product: Int, CaseIterable {
        case metal, fabric, board

        /// Elements of the pattern per side of the image.
        var pitch: Float {
            switch self {
            case .metal: 3
            case .fabric: 6
            case .board: 2
            }
        }
    }

    let product: Product
    /// Where the light comes from, in the image.
    let light: SIMD2<Float>
    private let heading: SIMD2<Float>
    private let origin: SIMD2<Float>
    private let gain: Float
    private let slope: Float
    private let tint: SIMD3<Float>
    private let noise: ValueNoise

    init(_ product: Product, using generator: inout KeyedGenerator) {
        self.product = product
        light = Images.heading(turns: generator.uniform(in: 0.55...0.7))
        heading = Images.heading(turns: generator.uniform(in: -0.004...0.004))
        origin = generator.point(margin: 0.48)
        gain = generator.float(in: 0.9...1.1)
        slope = generator.float(in: 0.05...0.2)
        tint = SIMD3(
            generator.float(in: 0.97...1.03), generator.float(in: 0.97...1.03), generator.float(in: 0.97...1.03))
        noise = ValueNoise(key: generator.next())
    }

    /// The point of the surface at `point` of the image.
    func place(_ point: SIMD2<Float>) -> SIMD2<Float> { turned(point - 0.5, by: heading) + origin }

    /// The inverse of `place`.
    func point(at place: SIMD2<Float>) -> SIMD2<Float> {
        turned(place - origin, by: SIMD2(heading.x, -heading.y)) + 0.5
    }

    /// The centre of the element of the pattern around `place`, a point of the surface.
    func element(around place: SIMD2<Float>) -> SIMD2<Float> {
        let cell = (place * product.pitch).rounded(.down)
        let centre = product == .board ? SIMD2<Float>(0.3, 0.68) : SIMD2(0.5, 0.5)
        return (cell + centre) / product.pitch
    }

    /// What the light adds at `point` of the image, as a factor.
    func brightness(at point: SIMD2<Float>) -> SIMD3<Float> { tint * (gain * (1 + slope * dot(point - 0.5, light))) }

    /// The colour at `place` of the surface, evenly lit. `presence` is the share of the pattern that is there, `pixel` the side of a
    /// pixel.
    func colour(at place: SIMD2<Float>, presence: Float, pixel: Float) -> SIMD3<Float> {
        let scaled = place * product.pitch
        let cell = scaled.rounded(.down)
        let edge = pixel * product.pitch
        switch product {
        case .metal: return metal(at: place, scaled - cell - 0.5, presence, edge)
        case .fabric: return fabric(at: place, cell, scaled - cell - 0.5, presence)
        case .board: return board(at: place, cell, scaled - cell, presence, edge)
        }
    }

    /// Brushed along x, with pressed dimples.
    private func metal(at place: SIMD2<Float>, _ offset: SIMD2<Float>, _ presence: Float, _ edge: Float) -> SIMD3<Float>
    {
        let streaks = noise.value(at: place * SIMD2(2, 30)) - 0.5
        let fine = noise.value(at: place * SIMD2(5, 90) + 41) - 0.5
        let ground = SIMD3<Float>(0.60, 0.61, 0.63) * (1 + 0.12 * streaks + 0.05 * fine)
        let radius = dot(offset, offset).squareRoot()
        let cover = 1 - smoothStep(0.28 - edge / 2, 0.28 + edge / 2, radius)
        return mix(ground, ground * (0.86 - 1.1 * dot(offset, light)), cover * presence)
    }

    /// A plain weave of threads of two colours.
    private func fabric(at place: SIMD2<Float>, _ cell: SIMD2<Float>, _ offset: SIMD2<Float>, _ presence: Float)
        -> SIMD3<Float>
    {
        let isWarp = (Int(cell.x) + Int(cell.y)) & 1 == 0
        let (across, along) = isWarp ? (offset.x, offset.y) : (offset.y, offset.x)
        let thread = isWarp ? cell.x : cell.y
        let uneven = 0.92 + 0.16 * noise.value(at: SIMD2(thread, isWarp ? 0.5 : 9.5))
        let fibres = 0.94 + 0.12 * noise.value(at: place * 60)
        let relief = (1 - 2.6 * across * across) * (1 - 1.4 * along * along)
        let warp = SIMD3<Float>(0.42, 0.50, 0.68)
        let weft = SIMD3<Float>(0.74, 0.70, 0.62)
        let present = (isWarp ? warp : weft) * (relief * uneven * fibres)
        let beneath = (isWarp ? weft : warp) * (0.5 * fibres)
        return mix(beneath, present, presence)
    }

    /// Tracks and pads on a green board.
    private func board(
        at place: SIMD2<Float>, _ cell: SIMD2<Float>, _ offset: SIMD2<Float>, _ presence: Float, _ edge: Float
    ) -> SIMD3<Float> {
        let grain = noise.octaves(at: place * 20) - 0.5
        let ground = SIMD3<Float>(0.10, 0.36, 0.24) * (1 + 0.15 * grain)
        let copper = SIMD3<Float>(0.20, 0.55, 0.36) * (1 + 0.1 * grain)
        let gold = SIMD3<Float>(0.80, 0.70, 0.40) * (1 + 0.1 * grain)
        func inside(_ distance: Float) -> Float { 1 - smoothStep(-edge / 2, edge / 2, distance) }
        let isOdd = (Int(cell.x) + Int(cell.y)) & 1 == 1
        let tracks = min(
            abs(offset.y - 0.22) - 0.045, abs(offset.x - 0.78) - 0.045,
            isOdd ? abs(offset.y - 0.36) - 0.03 : abs(offset.x - 0.64) - 0.03)
        var colour = mix(ground, copper, inside(tracks) * presence)
        let reach = offset - SIMD2(0.3, 0.68)
        let pad = isOdd ? max(abs(reach.x) - 0.19, abs(reach.y) - 0.14) : dot(reach, reach).squareRoot() - 0.19
        colour = mix(colour, gold, inside(pad) * presence)
        return isOdd ? colour : mix(colour, ground * 0.4, inside(dot(reach, reach).squareRoot() - 0.07) * presence)
    }
}
