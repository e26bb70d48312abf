import Base
import Foundation
import Images

// Tables as Hugging Face publishes them: a column of images, which are structures of `bytes` and `path`, and one of labels.

extension SourceListing {
    /// The tables in the directory `path`, in the order of their names; nil if there are none.
    init?(parquet path: String, _ selection: ShardSource.Selection) throws {
        let found = try Self.tables(in: path)
        guard !found.isEmpty else { return nil }
        let within = selection.within ?? ""
        let chosen = found.filter {
            ExactName($0.lastName).hasPrefix(within) || ExactName($0).hasPrefix(within)
        }
        guard !chosen.isEmpty, Set(chosen.map { Self.split(of: $0) }).count == 1 else {
            let splits = Set(found.map { Self.split(of: $0) }).sorted()
            throw Failure(
                "\(path) holds the parts \(splits.prefix(4).joined(separator: ", "))",
                hint: "choose one, such as --within \(splits[0])")
        }
        try self.init(parquet: chosen.map { path.appending(name: $0) }, in: path, selection)
    }

    /// The paths of the tables in `path` and its directories, up to three deep, as data sets and the form that Hugging Face converts them
    /// to have. None if there are files of images: then tables describe them.
    private static func tables(in path: String) throws -> [String] {
        var found: [String] = []
        var hasImages = false
        func visit(_ inner: String, depth: Int) throws {
            let entries = try DirectoryEntries(path, inner)
            hasImages = hasImages || entries.files.contains { imageSuffixes.contains($0.nameExtension.lowercased()) }
            let prefix = inner.isEmpty ? "" : inner + "/"
            found += entries.files.filter { $0.hasSuffix(".parquet") }.map { prefix + $0 }
            // A directory of images has no tables, and many directories.
            guard !hasImages, depth < 3, entries.directories.count <= 64 else { return }
            for name in entries.directories { try visit(prefix + name, depth: depth + 1) }
        }
        try visit("", depth: 0)
        return hasImages ? [] : found.sorted { ExactName($0) < ExactName($1) }
    }

    /// The part of a data set that the table `path` is of: "train" for train-00000-of-00005.parquet and train/0000.parquet.
    private static func split(of path: String) -> String {
        let stem = String(path.lastName.dropLast(".parquet".utf8.count))
        return stem.allSatisfy(\.isNumber) ? path.parentPath.lastName : stem.components(separatedBy: "-")[0]
    }

    /// The rows of the tables `paths`, those of the directory `path` or any.
    init(parquet paths: [String], in path: String?, _ selection: ShardSource.Selection) throws {
        let tables = try paths.map { path in
            let file = try SourceFile(path)
            return (file, try ParquetFooter(file))
        }
        self.init(path: path ?? paths[0], kind: .parquet, files: tables.map(\.0))
        var pages: [ParquetPage] = []
        var (found, labels): ([Image], [SampleLabel?]) = ([], [])
        var classes: [String]?
        for (number, (file, footer)) in tables.enumerated() {
            let column = try Self.imageColumn(of: footer, file.path)
            let stem = Self.stem(of: file.path, in: path)
            var row = 0
            for chunk in footer.chunks(of: column) {
                // So memory follows the bytes that are there: images have more than eight, and chunks do not share them.
                guard chunk.rows <= chunk.range.count / 8, row + chunk.rows <= file.size / 8 else {
                    throw Failure("\(file.path) cannot hold \(chunk.rows) images where it says", hint: "fetch it again")
                }
                let first = pages.count
                try ParquetPage.append(chunk, of: column, in: file, number: number, to: &pages)
                for page in first..<pages.count where !pages[page].isDictionary {
                    for place in 0..<pages[page].count {
                        let name = ExactName("\(stem)/\(zeroPadded(row, to: 6))")
                        found.append(Image(name: name, place: .cell(page: page, row: place)))
                        row += 1
                    }
                }
            }
            if let label = try Self.labelColumn(of: footer, selection.labelField, file.path) {
                labels += try Self.labels(in: label, of: footer, file, count: row)
                classes = classes ?? footer.classNames(of: label.path[0])
            } else {
                labels += repeatElement(nil, count: row)
            }
        }
        self.pages = ParquetPages(pages)
        try add(found, labels, names: selection.labelNames, known: classes)
    }

    /// What the keys of the rows of a table begin with: its path in the directory, without suffix.
    private static func stem(of file: String, in directory: String?) -> String {
        let base = directory.map { $0.appending(name: "") } ?? ""
        let name = directory != nil && file.hasPrefix(base) ? String(file.dropFirst(base.count)) : file.lastName
        return name.hasSuffix(".parquet") ? String(name.dropLast(".parquet".count)) : name
    }

    private static func imageColumn(of footer: ParquetFooter, _ path: String) throws -> ParquetFooter.Column {
        let columns = footer.columns.filter { $0.type == .bytes && $0.path.count == 2 && $0.path[1] == "bytes" }
        let usual = ["image", "img"].lazy.compactMap { name in columns.first { $0.path[0] == name } }.first
        guard let column = usual ?? (columns.count == 1 ? columns[0] : nil) else {
            throw Failure(
                "\(path) has no column `image` of structures with `bytes`",
                hint: "write it with the datasets library, or unpack the images to a directory")
        }
        return column
    }

    private static func labelColumn(
        of footer: ParquetFooter, _ field: String?, _ path: String
    ) throws -> ParquetFooter.Column? {
        let names = field.map { [$0] } ?? ["label", "labels", "fine_label", "cls", "class"]
        let column = names.lazy.compactMap { name in footer.columns.first { $0.path == [name] } }.first
        guard column != nil || field == nil else {
            throw Failure(
                "\(path) has no column \(names[0]) of numbers or texts",
                hint: "choose --label-field among "
                    + footer.columns.filter { $0.path.count == 1 }.map { $0.path[0] }.joined(separator: ", "))
        }
        return column
    }

    /// The labels of the `count` rows of a table.
    private static func labels(
        in column: ParquetFooter.Column, of footer: ParquetFooter, _ file: SourceFile, count: Int
    ) throws -> [SampleLabel?] {
        var labels: [SampleLabel?] = []
        let rows = footer.chunks(of: column).map(\.rows)
        guard rows.allSatisfy({ $0 <= count }), rows.reduce(0, +) == count else {
            throw Failure("\(file.path) has not as many labels as images", hint: "fetch it again")
        }
        do {
            for chunk in footer.chunks(of: column) {
                var pages: [ParquetPage] = []
                try ParquetPage.append(chunk, of: column, in: file, number: 0, to: &pages)
                let store = ParquetPages(pages)
                for (number, page) in pages.enumerated() where !page.isDictionary {
                    labels += try store.labels(page: number, column.type, in: file)
                }
            }
        } catch let failure as Failure where !failure.problem.contains(file.path) {
            throw Failure("\(file.path): the labels: \(failure.problem)", hint: failure.hint)
        }
        return labels
    }
}

extension ParquetPages {
    /// The labels of all rows of a page.
    fileprivate func labels(
        page: Int, _ type: ParquetFooter.ValueType, in file: SourceFile
    ) throws -> [SampleLabel?] {
        try rows(page, [file]).map { bytes in
            guard let bytes else { return nil }
            guard type != .bytes else { return .text(String(decoding: bytes, as: UTF8.self)) }
            let number = bytes.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            return .number(type == .int32 ? Int(Int32(truncatingIfNeeded: number)) : Int(truncatingIfNeeded: number))
        }
    }
}
