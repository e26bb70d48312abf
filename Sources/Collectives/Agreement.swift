import Base
import Kernels

extension World {
    /// Runs `work`, which may fail on some ranks only; then either all ranks continue or all ranks throw.
    ///
    /// Throws the same `Failure` on every rank: that of the lowest rank that failed. `work` must not communicate.
    package func agree<Result: ~Copyable>(_ work: () throws -> Result) throws -> Result {
        let result: Result
        do {
            result = try work()
        } catch {
            try share(Failure(from: error))
            throw error
        }
        try share(nil)
        return result
    }

    /// Throws the failure of the lowest rank that has one, on every rank; returns if no rank has one.
    package func share(_ failure: Failure?) throws {
        let failed = minimum(failure == nil ? size : rank)
        guard failed < size else { return }
        let text = failure.map { "\($0.problem)\u{0}\($0.hint)" } ?? ""
        let parts = String(decoding: broadcast([UInt8](text.utf8), from: failed), as: UTF8.self)
            .split(separator: "\u{0}", omittingEmptySubsequences: false)
        throw Failure(String(parts[0]), hint: parts.count > 1 ? String(parts[1]) : "")
    }
}

extension World {
    /// Compares settings that must be equal on all ranks, keyed by name. Throws the same `Failure` on every rank,
    /// naming the lowest rank that differs from rank 0 and the setting.
    package func requireEqual(_ own: [String: String]) throws {
        let names = own.keys.sorted()
        let text = names.map { "\($0)\u{0}\(own[$0]!)" }.joined(separator: "\u{0}")
        let fields = String(decoding: broadcast([UInt8](text.utf8), from: 0), as: UTF8.self)
            .split(separator: "\u{0}", omittingEmptySubsequences: false).map(String.init)
        try agree {
            for index in stride(from: 0, to: fields.count - 1, by: 2) {
                let (name, expected) = (fields[index], fields[index + 1])
                let value = own[name] ?? "nothing"
                guard value == expected else {
                    throw Failure(
                        "rank \(rank) has \(name) \(value), rank 0 has \(expected)",
                        hint: "give all ranks the same options, shards and program")
                }
            }
            guard names.count == fields.count / 2 else {
                throw Failure(
                    "rank \(rank) has different settings from rank 0", hint: "start the same program on all ranks")
            }
        }
    }
}
