/// What labels mean: the names of the classes in the order of the labels, and whose they are.
package struct ClassMeanings {
    package let names: [String]
    /// A directory of shards or a model.
    package let owner: String

    package init(_ names: [String], of owner: String) { (self.names, self.owner) = (names, owner) }

    /// Throws `Failure`, with `hint`, unless each label means the same class, byte by byte, as in `other`.
    package func requireSame(as other: ClassMeanings, hint: String) throws {
        let count = max(names.count, other.names.count)
        guard let label = (0..<count).first(where: { name($0) != other.name($0) }) else { return }
        let isTwin = name(label)?.text == other.name(label)?.text
        func text(_ list: ClassMeanings) -> String {
            list.name(label).map { isTwin ? $0.ascii : $0.text.printable(limit: 80) } ?? "nothing"
        }
        let counts = "\(names.count) and \(other.names.count)"
        let remark = isTwin ? ", which differ only in their Unicode form" : ""
        throw Failure(
            "\(owner) has other classes than \(other.owner) (\(counts)): label \(label) means \(text(self)) in the "
                + "former and \(text(other)) in the latter\(remark)",
            hint: hint)
    }

    private func name(_ label: Int) -> ExactName? { label < names.count ? ExactName(names[label]) : nil }
}
