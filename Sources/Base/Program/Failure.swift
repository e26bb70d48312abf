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
            (error as? Failure) ?? (error as? MachineFailure)?.failure ?? (error as? SuspectState)?.failure
            ?? (error as? DecodingError).map(Self.init)
            ?? Failure("\(error)", hint: "check the arguments")
    }

    /// What is wrong with a JSON text, in a few words; the hint is for its file.
    package init(_ error: DecodingError) {
        let (context, reason): (DecodingError.Context, String) =
            switch error {
            case .keyNotFound(let key, let context): (context, "\(key.stringValue) is missing")
            case .typeMismatch(let type, let context): (context, "a value is not of type \(type)")
            case .valueNotFound(_, let context): (context, "a value is missing")
            case .dataCorrupted(let context): (context, context.debugDescription)
            @unknown default: (.init(codingPath: [], debugDescription: ""), "the text cannot be read")
            }
        let place = context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
        self.init(place.isEmpty ? reason : "\(place): \(reason)", hint: "check the file")
    }

    /// The same failure with a remark about its consequences.
    package func adding(_ remark: String) -> Failure { Failure("\(problem) (\(remark))", hint: hint) }

    /// `PROBLEM; HINT` on one line that a terminal can show; a long part, such as a name from a file, is shortened.
    package var description: String { "\(problem.printable); \(hint.printable)" }
}

/// A fault that is not caused by the current item, so that skipping the item does not help: the file system fails, an archive was
/// changed meanwhile, or descriptors or memory have run out.
package struct MachineFailure: Error {
    package let failure: Failure

    package init(_ failure: Failure) { self.failure = failure }
}

/// A failure after which the parameters in memory cannot be trusted, so they are not saved. Any other failure of a run leaves the state
/// of the last complete step, which is worth a checkpoint.
package struct SuspectState: Error {
    package let failure: Failure

    package init(_ failure: Failure) { self.failure = failure }
}
