/// What went wrong, where, and what to do about it: the one error that a person gets to read.
///
/// Printed as `PROBLEM; HINT`, on one line.
public struct Failure: Error, CustomStringConvertible, Equatable, Sendable {
    /// What is wrong and where, naming the file, option or value.
    public let problem: String
    /// What the reader can do about it.
    public let hint: String

    /// A failure from what is wrong and what to do about it.
    public init(_ problem: String, hint: String) {
        self.problem = problem
        self.hint = hint
    }

    /// `error` itself, or its text.
    public init(from error: any Error) {
        self =
            (error as? Failure) ?? (error as? MachineFailure)?.failure
            ?? Failure("\(error)", hint: "check the arguments")
    }

    /// Both parts on one line; control characters, which may come from a damaged file's names, are replaced.
    public var description: String {
        String("\(problem); \(hint)".map { $0.isNewline || ($0.asciiValue ?? 32) < 32 ? "?" : $0 })
    }
}

/// What says nothing about the item at hand, so that leaving that out is no help: the file system fails, an archive was changed
/// meanwhile, no descriptors or no memory are left.
public struct MachineFailure: Error {
    /// What a person gets to read.
    public let failure: Failure

    /// `failure`, which is not the item's.
    public init(_ failure: Failure) { self.failure = failure }
}
