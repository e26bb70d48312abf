/// What went wrong, where, and what to do about it: the one error that a person gets to read.
///
/// Printed as `PROBLEM; HINT`, on one line.
package struct Failure: Error, CustomStringConvertible, Equatable, Sendable {
    /// What is wrong and where, naming the file, option or value.
    package let problem: String
    /// What the reader can do about it.
    package let hint: String

    /// A failure from what is wrong and what to do about it.
    package init(_ problem: String, hint: String) {
        self.problem = problem
        self.hint = hint
    }

    /// `error` itself, or its text.
    package init(from error: any Error) {
        self =
            (error as? Failure) ?? (error as? MachineFailure)?.failure
            ?? Failure("\(error)", hint: "check the arguments")
    }

    /// Both parts on one line; control characters, which may come from a damaged file's names, are replaced.
    package var description: String {
        String("\(problem); \(hint)".map { $0.isNewline || ($0.asciiValue ?? 32) < 32 ? "?" : $0 })
    }
}

/// What says nothing about the item at hand, so that leaving that out is no help: the file system fails, an archive was changed
/// meanwhile, no descriptors or no memory are left.
package struct MachineFailure: Error {
    /// What a person gets to read.
    package let failure: Failure

    /// `failure`, which is not the item's.
    package init(_ failure: Failure) { self.failure = failure }
}
