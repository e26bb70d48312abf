import Base
import Foundation

/// What came out of a shard's images, written after the shard: a run that was stopped and started again keeps the
/// shards that have one.
struct ShardRecord: Codable, Sendable {
    /// An image that could not be read.
    struct Skipped: Codable, Sendable {
        let key: String
        let reason: String
    }

    /// The file; absent where none of the images could be read.
    var file: ShardIndex.Shard?
    var statistics = PixelStatistics()
    var skipped: [Skipped] = []
}

/// The directory `unfinished` inside a shard directory: the recipe of the run that is under way and a record for each
/// shard that is done. Removed when the index is there.
///
/// A class, since it holds a lock as long as it lives: the processes of a run share it, and no other run begins meanwhile.
final class UnfinishedRun: @unchecked Sendable {
    static let name = "unfinished"
    private let path: String
    private var lock: Int32 = -1

    /// That of the shard directory `directory`.
    init(in directory: String) {
        path = (directory as NSString).appendingPathComponent(UnfinishedRun.name)
    }

    deinit {
        if lock >= 0 { close(lock) }
    }

    /// Whether a shard directory with the entries `entries` is that of a run that was begun, be it only just.
    func isOwn(entries: [String]) -> Bool {
        entries == [UnfinishedRun.name] || access(recipePath, F_OK) == 0
    }

    /// Begins a run of `recipe`, or goes on with one. Throws `Failure` when another one was begun or is at work.
    func begin(_ recipe: ShardRecipe) throws {
        guard mkdir(path, 0o755) == 0 || errno == EEXIST else { throw systemFailure("cannot create \(path)") }
        try takeLock(isShared: false)
        if read(ShardRecipe.self, from: recipePath) == nil { try write(recipe, to: recipePath) }
        try join(recipe)
    }

    /// Takes part in a run of `recipe` that was begun. Throws `Failure` when none was, or another one.
    func join(_ recipe: ShardRecipe) throws {
        guard let begun = read(ShardRecipe.self, from: recipePath) else {
            throw Failure("no run was begun in \(path)", hint: "check that all ranks see the same files")
        }
        guard begun == recipe else {
            throw Failure(
                "\(path) was begun with other options or another source",
                hint: "repeat them to go on, or remove the directory above it to begin anew")
        }
        try takeLock(isShared: true)
    }

    private func takeLock(isShared: Bool) throws {
        if lock < 0 { lock = open("\(path)/lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o644) }
        guard lock >= 0 else { throw systemFailure("cannot create \(path)/lock") }
        // Some file systems have no locks: go without.
        guard askForLock(on: lock, isShared: isShared) != .refused else {
            throw Failure("another process is at work in \(path)", hint: "wait until it is done, or stop it")
        }
    }

    /// The record of shard `shard`, if that is done.
    func record(of shard: Int) -> ShardRecord? { read(ShardRecord.self, from: recordPath(shard)) }

    /// Notes that shard `shard` is done.
    func note(_ record: ShardRecord, of shard: Int) throws { try write(record, to: recordPath(shard)) }

    /// Removes all of it.
    func remove() throws {
        guard access(path, F_OK) == 0 else { return }
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            throw Failure("cannot remove \(path): \(error.localizedDescription)", hint: "remove it by hand")
        }
    }

    private var recipePath: String { path + "/recipe.json" }
    private func recordPath(_ shard: Int) -> String { "\(path)/\(ShardPlan.fileName(of: shard)).json" }

    /// What the file holds; nil where it is missing or not whole, which is to do it again.
    private func read<Value: Decodable>(_ type: Value.Type, from path: String) -> Value? {
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        return try? JSONDecoder().decode(type, from: data)
    }

    private func write(_ value: some Encodable, to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try DurableFile.write([UInt8](encoder.encode(value)), to: path)
    }
}
