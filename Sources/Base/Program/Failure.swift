/// The one error type: what went wrong, where, and what to do about it.
///
/// Printed as `PROBLEM; HINT`, on one line.
package struct Failure: Error, CustomStringConvertible, Equatable, Sendable {
    /// Names the file, option or value.
    package let problem: String
    package let hint: String

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

    /// `PROBLEM; HINT` on one line, with control characters (from file names, for example) replaced.
    package var description: String {
        String("\(problem); \(hint)".map { $0.isNewline || ($0.asciiValue ?? 32) < 32 ? "?" : $0 })
    }
}

/// A fault that is not caused by the current item, so that skipping the item does not help: the file system fails, an archive was
/// changed meanwhile, or descriptors or memory have run out.
package struct MachineFailure: Error {
    package let failure: Failure

    package init(_ failure: Failure) { self.failure = failure }
}
