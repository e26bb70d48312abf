import Base

/// Which images go into which shard: shard k has the readable ones of positions k * shardSize ..< (k + 1) * shardSize of the source's
/// order or of its permutation. So a shard is a function of the source and the recipe alone.
struct ShardPlan: Sendable {
    let source: ShardSource
    let recipe: ShardRecipe
    let format: SampleFormat
    private let permutation: KeyedPermutation?

    /// Throws `Failure` if `recipe` is invalid or of another source.
    init(source: ShardSource, recipe: ShardRecipe) throws {
        guard recipe.shardSize > 0 else {
            throw Failure("a shard size of \(recipe.shardSize) is not positive", hint: "choose a size such as 1024")
        }
        let own = source.record
        guard own == recipe.source else {
            throw Failure(
                "\(source.path) is not the source of the shards: it has \(own.images) images (checksum \(own.checksum)), "
                    + "the source had \(recipe.source.images) (\(recipe.source.checksum))",
                hint: "name the source as it was, with the same --within, --labels and --classes")
        }
        self.source = source
        self.recipe = recipe
        format = try recipe.format()
        permutation = recipe.shuffle.map { KeyedPermutation(count: source.items.count, seed: $0, epoch: 0) }
    }

    var shardCount: Int { (source.items.count - 1) / recipe.shardSize + 1 }

    func positions(of shard: Int) -> Range<Int> {
        let first = shard * recipe.shardSize
        return first..<first + min(recipe.shardSize, source.items.count - first)
    }

    func item(at position: Int) -> ShardSource.Item { source.items[permutation?[position] ?? position] }

    static func fileName(of shard: Int) -> String { "shard-\(zeroPadded(shard, to: 5)).h5" }
}
