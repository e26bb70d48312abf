/// Values by name. A name is found byte by byte or, where none is the same, by the only one that differs from it in its Unicode form alone:
/// a list that was written on Linux has composed letters, and files from a Mac decomposed ones.
package struct NamedValues<Value> {
    private let exact: [ExactName: Value]
    /// Strings are equal when they differ only in their Unicode form.
    private let forms: [String: [ExactName]]

    /// Of several values of one name the first counts.
    package init(_ pairs: some Collection<(ExactName, Value)>) {
        exact = Dictionary(pairs.map { ($0.0, $0.1) }, uniquingKeysWith: { first, _ in first })
        forms = Dictionary(grouping: exact.keys, by: \.text)
    }

    package subscript(name: ExactName) -> Value? { exact[name] }

    /// The names that differ from `name` in their Unicode form alone, sorted.
    package func twins(of name: ExactName) -> [ExactName] { (forms[name.text] ?? []).filter { $0 != name }.sorted() }
}
