// L = G G patches of an image, H heads.

/// How well masks of patches cover objects: the intersection of a mask and the objects, in pixels, over their union (IoU).
///
/// Images are added one after the other. Those at even places are what a head, or a size of the blob, is chosen on; those at odd
/// places tell how well the choice does, so that a choice among many does not flatter itself.
package struct Emergence: Sendable {
    /// What the images tell, all of them and half by half.
    package struct Result: Codable, Equatable, Sendable {
        /// The mean IoU of images and its standard error.
        package struct Overlap: Codable, Equatable, Sendable {
            /// The mean.
            package let iou: Double
            /// Its standard error.
            package let error: Double
        }
        /// What was chosen on one half of the images, a head counted from 1 or a number of patches, and its IoU on the other half.
        package struct Choice: Codable, Equatable, Sendable {
            /// The head or the number of patches.
            package let chosen: Int
            /// Its IoU on the other half.
            package let overlap: Overlap
        }

        /// Images that were added.
        package let images: Int
        /// The mean IoU of each head over all images.
        package let heads: [Overlap]
        /// The mean of those of the heads.
        package let mean: Double
        /// The best head.
        package let best: Choice
        /// The patches next to the centre, as many as are best: what one gets without looking at the image.
        package let blob: Choice
    }

    private let mass: Double
    /// Patches by their distance from the centre.
    private let outwards: [Int]
    /// IoU of each image, (images, H) and (images, L).
    private var heads: [[Double]] = []
    private var blobs: [[Double]] = []

    /// Masks keep `mass` of a head's attention, on `grid` x `grid` patches.
    package init(mass: Double, grid: Int) {
        func distance(_ patch: Int) -> Int {
            let (row, column) = (2 * (patch / grid) + 1 - grid, 2 * (patch % grid) + 1 - grid)
            return row * row + column * column
        }
        self.mass = mass
        outwards = (0..<grid * grid).sorted { (distance($0), $0) < (distance($1), $1) }
    }

    /// Adds an image: what each head attends to (H, L), and how many of the `area` pixels of each patch are an object's (L).
    package mutating func add(_ maps: [[Float]], objects: [Int], area: Int) {
        let total = objects.reduce(0, +)
        func overlap(covered: Int, patches: Int) -> Double {
            Double(covered) / Double(max(1, patches * area + total - covered))
        }
        heads.append(
            maps.map { map in
                let mask = AttentionMaps.mask(map, mass: mass)
                let kept = mask.indices.filter { mask[$0] }
                return overlap(covered: kept.reduce(0) { $0 + objects[$1] }, patches: kept.count)
            })
        var covered = 0
        blobs.append(
            outwards.enumerated().map { index, patch in
                covered += objects[patch]
                return overlap(covered: covered, patches: index + 1)
            })
    }

    /// What the images that were added tell; nil where they are fewer than two.
    package var result: Result? {
        guard heads.count > 1 else { return nil }
        let overlaps = heads[0].indices.map { head in Self.overlap(heads.map { $0[head] }) }
        return Result(
            images: heads.count, heads: overlaps, mean: overlaps.reduce(0) { $0 + $1.iou } / Double(overlaps.count),
            best: Self.choice(heads), blob: Self.choice(blobs))
    }

    private static func choice(_ candidates: [[Double]]) -> Result.Choice {
        func half(_ candidate: Int, from first: Int) -> [Double] {
            stride(from: first, to: candidates.count, by: 2).map { candidates[$0][candidate] }
        }
        let sums = candidates[0].indices.map { half($0, from: 0).reduce(0, +) }
        // Of equals the first.
        let best = sums.indices.reduce(0) { sums[$1] > sums[$0] ? $1 : $0 }
        return Result.Choice(chosen: best + 1, overlap: overlap(half(best, from: 1)))
    }

    private static func overlap(_ values: [Double]) -> Result.Overlap {
        let count = Double(values.count)
        let mean = values.reduce(0, +) / count
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        return Result.Overlap(iou: mean, error: (squares / max(1, count - 1) / count).squareRoot())
    }
}
