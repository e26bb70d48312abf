import Base
import Collectives
import CrateModel
import Kernels
import Loader

// n samples, T tokens of an image, D channels.

/// Where features are taken from; each sample has a row of D values.
package struct FeatureSource: Hashable, Sendable {
    /// The encoder block, counted from 1; nil is after the encoder's last norm.
    package let block: Int?
    package let pooling: Pooling

    /// The mean of all patches after the encoder's last norm.
    package static let encoderMean = FeatureSource(block: nil, pooling: .mean)

    /// The block's number, or `norm`.
    package var layer: String { block.map(String.init) ?? "norm" }
    /// `mean.3`, `class.norm` and so on.
    package var name: String { "\(pooling.rawValue).\(layer)" }

    /// The sources of `layers`, which is `all`, `norm`, or a comma-separated list of block numbers and `norm`, in a
    /// model of `depth` blocks. Throws `Failure` for a layer that the model does not have, an empty list, or a
    /// duplicate.
    package static func sources(layers: String, poolings: [Pooling], depth: Int) throws -> [FeatureSource] {
        let names =
            layers == "all" ? (1...depth).map(String.init) + ["norm"] : layers.split(separator: ",").map(String.init)
        guard !names.isEmpty, Set(names).count == names.count, Set(poolings).count == poolings.count else {
            throw Failure(
                names.isEmpty ? "no layer is given" : "a layer or a pooling is given twice",
                hint: "choose layers from 1 to \(depth), norm, several with commas, or all; each once")
        }
        return try names.flatMap { name in
            let block = Int(name)
            guard name == "norm" || block.map({ (1...depth).contains($0) }) ?? false else {
                throw Failure(
                    "there is no layer \(name)", hint: "choose from 1 to \(depth), norm, several with commas, or all")
            }
            return poolings.map { FeatureSource(block: block, pooling: $0) }
        }
    }
}

/// Passes the features of all samples of `loader` to `body` on rank 0, in batches of multiples of 32: the range of
/// samples, and for each of `sources` one row (D) per sample. Images are framed as in an evaluation, with nothing hidden.
///
/// Every rank computes its share with `replica`, whose last pass is overwritten, and for a moment holds the rows of 32
/// chunks of each rank. `loader` must have the replica's capacity. Collective: all ranks return, or all throw.
package func computeFeatures(
    of loader: BatchLoader, _ sources: [FeatureSource], by replica: borrowing Replica, world: World,
    body: (Range<Int>, [UnsafePointer<Float>]) throws -> Void
) throws {
    let (chunk, dim) = (replica.capacity, replica.model.configuration.dim)
    let (count, stride) = (loader.count, world.size * chunk)
    // Samples per exchange; every rank has the same number of chunks in it.
    let round = 32 * stride
    let rows = try world.agree { try OwnedBuffer<Float>(count: sources.count * round * dim) }
    let places = sources.indices.map { UnsafePointer(rows.pointer + $0 * round * dim) }
    loader.begin(
        BatchSequence(first: world.rank * chunk, size: chunk, stride: stride, end: count), for: .evaluation)
    for start in Swift.stride(from: 0, to: count, by: round) {
        let samples = start..<min(start + round, count)
        rows.pointer.update(repeating: 0, count: rows.count)
        try world.agree {
            for first in Swift.stride(from: start + world.rank * chunk, to: samples.upperBound, by: stride) {
                guard let loaded = try loader.next(), loaded.positions.lowerBound == first else {
                    throw Failure("the loader is not at sample \(first)", hint: "this is a mistake of the program")
                }
                let images = loaded.positions.count
                replica.encode(PatchBatch(patches: loaded.patches, mask: nil, images: images))
                for (index, source) in sources.enumerated() {
                    replica.pool(source, images, into: rows.pointer + (index * round + first - start) * dim)
                }
                WorkDone.add()
            }
        }
        // Each row is zero on all ranks but one.
        world.sum(rows.pointer, count: rows.count)
        try world.agree { if world.rank == 0 { try body(samples, places) } }
    }
}

extension Replica {
    /// Writes the features of the first `images` images of the last pass, (images, D).
    fileprivate borrowing func pool(_ source: FeatureSource, _ images: Int, into rows: UnsafeMutablePointer<Float>) {
        let (tokens, dim) = (model.configuration.tokenCount, model.configuration.dim)
        let states = source.block.map { encoderOutput($0 - 1) } ?? encoderNormed
        for image in 0..<images {
            source.pooling.pool(states + image * tokens * dim, tokens: tokens, dim: dim, into: rows + image * dim)
        }
    }
}

extension LoadedModel {
    /// Passes the features of all samples of the shards in `data` to `body` on rank 0; see `computeFeatures`. Throws
    /// `Failure` if they are not finite.
    ///
    /// Collective: all ranks return, or all throw.
    package borrowing func features(
        of data: String, _ sources: [FeatureSource], world: World,
        body: (Range<Int>, [UnsafePointer<Float>]) throws -> Void
    ) throws {
        let loader = try loader(of: data, maskRatio: nil, world: world)
        let dim = model.configuration.dim
        try computeFeatures(of: loader, sources, by: replica, world: world) { samples, rows in
            try requireFinite("features", rows.allSatisfy { allFinite($0, count: samples.count * dim) })
            try body(samples, rows)
        }
    }
}
