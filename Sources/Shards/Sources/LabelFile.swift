import Base

/// Labels of images without class directories: one line per image with a label alone (images sorted by name) or a file's name and its
/// label, with white space, a tab, a comma or a semicolon in between. A label is a class name, or a number whose name is in a second file:
/// its first line names number 1 or, if a label is 0, number 0.
struct LabelFile {
    private let path: String
    private let labels: [String]
    /// The file of each label; nil if they follow the order of the file names.
    private let files: [String]?

    /// Reads the labels of `path` for the images `images`; if they are numbers, their names are in the file `names`. Where files are named,
    /// the first line may be the header of a table.
    ///
    /// Throws `Failure` if a file cannot be read, lines are of different kinds, or numbers have no certain name.
    init(_ path: String, names: String?, images: [ExactName]) throws {
        let known = NamedValues(images.map { ($0, ()) })
        func isImage(_ name: some StringProtocol) -> Bool {
            let name = ExactName(String(name))
            return known[name] != nil || !known.twins(of: name).isEmpty
        }
        let lines = try textLines(of: path)
        let separator = Self.separator(of: lines, isImage: isImage)
        var rows = lines.map { line in
            let parts =
                separator.map { line.split(separator: $0, omittingEmptySubsequences: false) }
                ?? line.split(maxSplits: 1, whereSeparator: \.isWhitespace)
            return parts.map { $0.trimmingCharacters(in: .whitespaces) }
        }
        guard let width = rows.first?.count else { throw Failure("\(path) is empty", hint: "write one label a line") }
        let odd = rows.firstIndex { row in
            row.count != width || row.count > 2 || row.contains("")
                || (separator != nil && row.contains { $0.contains("\"") })
        }
        if let odd {
            throw Failure(
                "line \(odd + 1) of \(path) has "
                    + (rows[odd].count == width
                        ? "not just a name and a label" : "another number of words than the first"),
                hint: "write on each line a label, or on each a file's name and a label")
        }
        // A header. A number is a label, if of an image that is not there.
        if width == 2, rows.count > 1, !isImage(rows[0][0]), Int(rows[0][1]) == nil, isImage(rows[1][0]) {
            rows.removeFirst()
        }
        if width == 1 { try requireLabels(lines, path: path) }
        self.path = path
        files = width == 2 ? rows.map { $0[0] } : nil
        let written = rows.map { $0[width - 1] }
        let numbers = written.compactMap { Int($0) }
        if numbers.count == written.count {
            labels = try LabelFile.resolve(numbers, names: names, path: path)
        } else {
            guard names == nil else {
                throw Failure("\(path) holds names of classes", hint: "leave --label-names out; it is for numbers")
            }
            labels = written
        }
    }

    /// What is between a file's name and its label, other than white space: what leaves the name of an image in the first line, or in the
    /// second, behind a header.
    private static func separator(of lines: [String], isImage: (Substring) -> Bool) -> Character? {
        ["\t", ",", ";"].first { (separator: Character) in
            lines.prefix(2).contains { line in
                line.firstIndex(of: separator).map { isImage(line[..<$0]) } ?? false
            }
        }
    }

    private static func resolve(_ numbers: [Int], names path: String?, path labels: String) throws -> [String] {
        guard let path else {
            throw Failure(
                "\(labels) holds numbers",
                hint:
                    "say with --label-names which class each is: the devkit's numbers are not in the order of the names"
            )
        }
        let names = try ClassNames.read(path)
        let (least, most) = (numbers.min() ?? 0, numbers.max() ?? 0)
        guard least == 0 || most == names.count, least >= 0, most - (least == 0 ? 0 : 1) < names.count else {
            throw Failure(
                "the labels \(least) to \(most) of \(labels) do not go with the \(names.count) lines of \(path)",
                hint: "number from 0 or 1 to the last line, or write the names of the classes instead")
        }
        return numbers.map { names[least == 0 ? $0 : $0 - 1] }
    }

    /// The class of each of `files`, which are sorted. Names that the file has in another Unicode form only are added to `respelled`. Throws
    /// `Failure` if one has none.
    func classes(ofFiles files: [ExactName], respelled: inout UnicodeTwins) throws -> [String] {
        guard let named = self.files else {
            guard labels.count == files.count else {
                throw Failure(
                    "\(path) has \(labels.count) labels, but there are \(files.count) images",
                    hint: "name the file that goes with this archive"
                        + (labels.count == files.count + 1 ? ", without a header" : ""))
            }
            return labels
        }
        let byName = NamedValues(Array(zip(named.map { ExactName($0) }, labels)))
        let ownForms = NamedValues(files.map { ($0, ()) })
        return try files.map { file in
            if let label = byName[file] { return label }
            let twins = byName.twins(of: file)
            guard twins.count == 1, ownForms.twins(of: file).isEmpty, let label = byName[twins[0]] else {
                throw Failure(
                    "\(path) has no label for \(file.text)", hint: "name the file that goes with this archive")
            }
            respelled.add(file, takenFor: twins[0])
            return label
        }
    }
}
