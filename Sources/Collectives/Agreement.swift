import Files

extension World {
    /// Runs `work`, which may fail on some ranks only, and lets all ranks go on or all ranks fail.
    ///
    /// Throws the same `Failure` on every rank: that of the lowest rank that failed. `work` must not communicate.
    public func agree<Result: ~Copyable>(_ work: () throws -> Result) throws -> Result {
        let result: Result
        do {
            result = try work()
        } catch {
            try share(failure: failure(from: error))
            throw error
        }
        try share(failure: nil)
        return result
    }

    private func failure(from error: any Error) -> Failure {
        (error as? Failure) ?? Failure("\(error)", hint: "check the arguments")
    }

    private func share(failure: Failure?) throws {
        let failed = minimum(failure == nil ? size : rank)
        guard failed < size else { return }
        let text = failure.map { "\($0.problem)\u{0}\($0.hint)" } ?? ""
        let parts = String(decoding: broadcast([UInt8](text.utf8), from: failed), as: UTF8.self)
            .split(separator: "\u{0}", omittingEmptySubsequences: false)
        throw Failure(String(parts[0]), hint: parts.count > 1 ? String(parts[1]) : "")
    }
}
