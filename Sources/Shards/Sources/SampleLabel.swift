import Base

/// What a sample says of its class.
enum SampleLabel: Equatable, Sendable {
    case number(Int)
    case text(String)

    /// The number, or the text, in `text`; nil if it is empty.
    init?(text: String) {
        let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
        guard !trimmed.isEmpty else { return nil }
        self = Int(trimmed).map { .number($0) } ?? .text(trimmed)
    }
}

extension SourceListing {
    /// The most classes that numbers can name without a list of names: a wrong column of large numbers is found out.
    private static let numberLimit = 1 << 20

    /// Adds images with their labels. If all are numbers, they are looked up in the file `path` or in `names`, in which number 0 is the
    /// first; without either a number is the name of its class. Negative numbers say that there is no label.
    ///
    /// Throws `Failure` if numbers do not go with the names.
    mutating func add(_ found: [Image], _ labels: [SampleLabel?], names path: String? = nil, known: [String]? = nil)
        throws
    {
        let numbers: [Int?] = labels.map { if case .number(let number) = $0, number >= 0 { number } else { nil } }
        let areNumbers = !labels.contains { if case .text = $0 { true } else { false } }
        if areNumbers {
            let names = try self.names(of: numbers, path: path, known: known)
            if let names { order = names.order }
            for (image, number) in zip(found, numbers) {
                guard let number, let names else {
                    unlabelled.append(image)
                    continue
                }
                images[ExactName(names.order[number - names.first]), default: []].append(image)
            }
            return
        }
        guard path == nil else {
            throw Failure("\(self.path) holds names of classes", hint: "leave --label-names out; it is for numbers")
        }
        for (image, label) in zip(found, labels) {
            switch label {
            case .text(let text): images[ExactName(text), default: []].append(image)
            case .number(let number): images[ExactName(String(number)), default: []].append(image)
            case nil: unlabelled.append(image)
            }
        }
    }

    /// The classes that `numbers` mean, and the number of the first; nil without any number.
    private func names(of numbers: [Int?], path: String?, known: [String]?) throws -> (order: [String], first: Int)? {
        guard let most = numbers.lazy.compactMap({ $0 }).max(), let least = numbers.lazy.compactMap({ $0 }).min() else {
            return nil
        }
        if let path {
            let names = try ClassNames.read(path)
            // As in a label file: the first line is number 1, unless a label is 0.
            let first = least > 0 && most == names.count ? 1 : 0
            return (try require(most - first, names), first)
        }
        if let known { return (try require(most, known), 0) }
        guard most < Self.numberLimit else {
            throw Failure("\(self.path) has the label \(most)", hint: "choose the column of labels with --label-field")
        }
        return ((0...most).map { String($0) }, 0)
    }

    private func require(_ most: Int, _ names: [String]) throws -> [String] {
        guard most < names.count, Set(names.map { ExactName($0) }).count == names.count else {
            throw Failure(
                "\(path) has a label \(most), counted from 0, and there are \(names.count) names of classes",
                hint: "name the list that goes with it by --label-names")
        }
        return names
    }
}
