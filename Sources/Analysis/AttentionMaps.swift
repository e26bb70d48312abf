import Base
import CrateModel
import Images

// L = G G patches of an image, T = L + 1 tokens, H heads.

/// The attention of the class token in one image: A[0, 1...] of each head of an encoder block.
package struct AttentionMaps: Sendable {
    /// The framed image, as the model sees it.
    package let original: Image
    package let tiling: PatchTiling
    /// Each head's attention to each patch, row by row, (H, L). The attention to the class token itself is left out, so
    /// a sum is below 1.
    package let heads: [[Float]]

    /// `original` may have any size; each of `heads` has one value per patch of `tiling`.
    package init(original: Image, tiling: PatchTiling, heads: [[Float]]) {
        self.original = original
        self.tiling = tiling
        self.heads = heads
    }

    /// The mean over the heads, (L).
    package var mean: [Float] {
        heads[0].indices.map { patch in heads.reduce(0) { $0 + $1[patch] } / Float(heads.count) }
    }

    /// The smallest set of patches, in order of decreasing attention, that has at least `mass` of all attention to
    /// patches. Ties keep their order.
    package static func mask(_ map: [Float], mass: Double) -> [Bool] {
        let total = map.reduce(0.0) { $0 + Double($1) }
        var (sum, mask) = (0.0, [Bool](repeating: false, count: map.count))
        for patch in map.indices.sorted(by: { map[$0] == map[$1] ? $0 < $1 : map[$0] > map[$1] }) {
            guard sum < mass * total else { break }
            sum += Double(map[patch])
            mask[patch] = true
        }
        return mask
    }
}

extension LoadedModel {
    /// The class token's attention in encoder block `block`, counted from 1, for each of `pictures`, with nothing
    /// hidden.
    ///
    /// Throws `Failure` if there is no such block or memory is short.
    package borrowing func attentionMaps(of pictures: [Picture], block: Int) throws -> [AttentionMaps] {
        let configuration = model.configuration
        var maps: [AttentionMaps] = []
        try encodeInParts(pictures, block: block) { index, original in
            let heads = try (0..<configuration.heads).map { head in
                guard let row = replica.attentionRow(block: block - 1, image: index, head: head, query: 0) else {
                    throw Failure("layer \(block) of \(file) has no attention", hint: "choose another layer")
                }
                return Array(row.dropFirst())
            }
            maps.append(AttentionMaps(original: original, tiling: tiling, heads: heads))
        }
        return maps
    }

    /// Runs the encoder over `pictures`, as many at a time as the replica takes, and calls `body` for each with its
    /// index in the batch and its framed image.
    borrowing func encodeInParts(_ pictures: [Picture], block: Int, _ body: (Int, Image) throws -> Void) throws {
        let configuration = model.configuration
        guard (1...configuration.depth).contains(block) else {
            throw Failure("there is no layer \(block)", hint: "choose from 1 to \(configuration.depth)")
        }
        try forEachBatch(of: pictures) { framed, pictures in
            replica.encode(PatchBatch(patches: framed.patches.pointer, mask: nil, images: pictures.count))
            for (index, picture) in pictures.enumerated() { try body(index, try framed.image(of: picture)) }
        }
    }
}
