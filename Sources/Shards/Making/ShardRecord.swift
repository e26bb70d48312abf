import Base
import Foundation

/// The result of making one shard, written after it: an interrupted run that is started again keeps shards that have a record.
struct ShardRecord: Codable, Sendable {
    /// An image that could not be read.
    struct Skipped: Codable, Sendable {
        let key: String
        let reason: String
    }

    /// Absent if no image could be read.
    var file: ShardIndex.Shard?
    var statistics = PixelStatistics()
    var skipped: [Skipped] = []
}

/// The directory `unfinished` inside a shard directory: the recipe of the run in progress and a record for each completed shard.
/// Removed when the index has been written.
///
/// A class because it holds a lock as long as it exists: the processes of one run share it, and no other run can begin.
final class UnfinishedRun: @unchecked Sendable {
    static let name = "unfinished"
    private let path: String
    private var lock: Int32 = -1
    /// Where the file system has no locks: of the process that began the run.
    private var lease: Lease?

    init(in directory: String) {
        path = directory.appending(name: UnfinishedRun.name)
    }

    deinit { leave() }

    /// Gives the lock up. Threads that end may keep this object for a moment longer than the job lasts.
    func leave() {
        if lock >= 0 { closeLocked(lock) }
        (lock, lease) = (-1, nil)
    }

    /// Whether the entries `entries` are those of a shard directory in which a run was begun.
    func isOwn(entries: [String]) -> Bool {
        entries == [UnfinishedRun.name] || access(recipePath, F_OK) == 0
    }

    /// Begins or continues a run of `recipe`. Throws `Failure` if another one was begun or is in progress.
    func begin(_ recipe: ShardRecipe) throws {
        guard mkdir(path, 0o777) == 0 || errno == EEXIST else { throw systemFailure("cannot create \(path)") }
        try takeLock(isShared: false)
        if read(ShardRecipe.self, from: recipePath) == nil { try write(recipe, to: recipePath) }
        try join(recipe)
    }

    /// Joins a run of `recipe` that was begun. Throws `Failure` if none was, or another one.
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
        if lock < 0 { lock = open("\(path)/lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0o666) }
        guard lock >= 0 else { throw systemFailure("cannot create \(path)/lock") }
        switch askForLock(on: lock, isShared: isShared) {
        case .granted: break
        case .refused:
            throw Failure("another process is at work in \(path)", hint: "wait until it is done, or stop it")
        case .unavailable:
            guard !isShared, lease == nil else { break }
            lease = try Lease("\(path)/lock.lease", use: path) { printError("warning: \($0)") }
        }
    }

    /// The record of shard `shard` of `count` images, if it is completed. A record that cannot be its own counts as none, so that the
    /// shard is made again: no file of another name is read or removed because of it.
    func record(of shard: Int, count: Int) -> ShardRecord? {
        guard let record = read(ShardRecord.self, from: recordPath(shard)),
            record.file.map({ ExactName($0.file) == ExactName(ShardPlan.fileName(of: shard)) }) ?? true,
            (record.file?.count ?? 0) + record.skipped.count == count
        else { return nil }
        return record
    }

    /// Records that shard `shard` is completed.
    func note(_ record: ShardRecord, of shard: Int) throws { try write(record, to: recordPath(shard)) }

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

    /// Nil if the file is missing or incomplete; then its work is repeated.
    private func read<Value: Decodable>(_ type: Value.Type, from path: String) -> Value? {
        guard let data = try? RegularFile.contents(of: path) else { return nil }
        return try? JSONDecoder().decode(type, from: Data(data))
    }

    private func write(_ value: some Encodable, to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        try DurableFile.write([UInt8](encoder.encode(value)), to: path)
    }
}
