import Base
import Foundation
import Images

/// A published form of CIFAR-10 or CIFAR-100: batches of records of a label or two and the red, green and blue values of an image, or
/// Python's pickles of labels and an array of such values.
private struct CIFARForm {
    let kind: ShardSource.Kind
    let isPickled: Bool
    /// The file with the names of the classes.
    let namesFile: String
    /// The labels of a record, of which the last one counts.
    let labelBytes: Int

    static let all = [
        CIFARForm(kind: .cifar10, isPickled: false, namesFile: "batches.meta.txt", labelBytes: 1),
        CIFARForm(kind: .cifar10, isPickled: true, namesFile: "batches.meta", labelBytes: 0),
        CIFARForm(kind: .cifar100, isPickled: false, namesFile: "fine_label_names.txt", labelBytes: 2),
        CIFARForm(kind: .cifar100, isPickled: true, namesFile: "meta", labelBytes: 0),
    ]

    /// The name of a batch without its suffix; nil if `name` is none.
    func batch(_ name: ExactName) -> ExactName? {
        guard isPickled || name.hasSuffix(".bin") else { return nil }
        let stem = isPickled ? name : name.dropLast(".bin".utf8.count)
        let isOne =
            kind == .cifar10
            ? stem == ExactName("test_batch") || (stem.hasPrefix("data_batch_") && !stem.hasSuffix(".bin"))
            : stem == ExactName("train") || stem == ExactName("test")
        return isOne ? stem : nil
    }
}

/// A file of a directory, or a member of an archive.
private struct CIFARFile {
    let name: ExactName
    let path: [ExactName]
    let open: () throws -> (SourceFile, Range<Int>)

    func bytes(limit: Int) throws -> [UInt8] {
        let (file, range) = try open()
        guard range.count <= limit else {
            throw Failure("\(name.text) of \(file.path) has \(range.count) bytes", hint: "fetch it again")
        }
        return try file.bytes(range.count, at: range.lowerBound)
    }
}

extension SourceListing {
    /// The batches in the directory `path` with the files `names`; nil if none.
    init?(cifar path: String, _ names: [String], _ selection: ShardSource.Selection) throws {
        let files = names.map { name in
            CIFARFile(name: ExactName(name), path: [ExactName(name)]) {
                let file = try SourceFile(path.appending(name: name))
                return (file, 0..<file.size)
            }
        }
        try self.init(cifar: files, path: path, selection)
    }

    /// The batches in the archive `file`; nil if none.
    init?(cifar members: [TarMember], of file: SourceFile, _ selection: ShardSource.Selection) throws {
        let files = members.map { member in
            CIFARFile(name: member.name, path: member.path) { (file, member.range) }
        }
        try self.init(cifar: files, path: file.path, selection)
    }

    private init?(cifar all: [CIFARFile], path: String, _ selection: ShardSource.Selection) throws {
        let names = Set(all.map(\.name))
        // CIFAR-100's files have common names: without that of its classes they are something else.
        let form = CIFARForm.all.first { form in
            names.contains { form.batch($0) != nil }
                && (names.contains(ExactName(form.namesFile)) || (form.kind == .cifar10 && !form.isPickled))
        }
        guard let form else { return nil }
        self.init(path: path, kind: form.kind)
        raw = .cifar
        let within = selection.within ?? ""
        let batches = all.filter { file in
            form.batch(file.name) != nil
                && (file.name.hasPrefix(within) || ExactName(joined(file.path)).hasPrefix(within))
        }
        guard !batches.isEmpty, Set(batches.map { $0.name.hasPrefix("test") }).count == 1 else {
            let (training, test) = form.kind == .cifar10 ? ("data_batch", "test_batch") : ("train", "test")
            throw Failure(
                "\(path) holds " + (batches.isEmpty ? "no batches of that name" : "both training and test batches"),
                hint: "choose --within \(training) or --within \(test)")
        }
        guard let meta = all.first(where: { $0.name == ExactName(form.namesFile) }) else {
            throw Failure(
                "\(path) has no \(form.namesFile), which names the classes", hint: "fetch CIFAR-10 again")
        }
        let classes = try Self.classes(in: meta.bytes(limit: 1 << 16), form, path: path)
        for batch in batches.sorted(by: { $0.name < $1.name }) { try add(batch, form, classes: classes) }
    }

    private static func classes(in bytes: [UInt8], _ form: CIFARForm, path: String) throws -> [String] {
        guard form.isPickled else {
            return text(of: bytes).split(whereSeparator: \.isNewline).map { String($0) }
        }
        let meta = try Pickle(bytes, name: "\(form.namesFile) of \(path)")
        return try meta.texts(form.kind == .cifar10 ? "label_names" : "fine_label_names")
    }

    private mutating func add(_ batch: CIFARFile, _ form: CIFARForm, classes: [String]) throws {
        let (file, range) = try batch.open()
        let name = "\(batch.name.text) of \(path)"
        // The files have up to 155 MB; a batch is read as a whole.
        let bytes = try batch.bytes(limit: 1 << 30)
        let size = RawPixels.cifar.byteCount
        let labels: [Int]
        let (start, step): (Int, Int)
        if form.isPickled {
            let pickle = try Pickle(bytes, name: name)
            labels = try pickle.numbers(form.kind == .cifar10 ? "labels" : "fine_labels")
            let array = try pickle.array("data")
            guard array.rows == labels.count, array.columns == size else {
                throw Failure("\(name) has \(array.rows) rows for \(labels.count) labels", hint: "fetch it again")
            }
            (start, step) = (array.start, size)
        } else {
            step = form.labelBytes + size
            guard bytes.count % step == 0 else {
                throw Failure("\(name) has \(bytes.count) bytes, no multiple of \(step)", hint: "fetch it again")
            }
            labels = stride(from: form.labelBytes - 1, to: bytes.count, by: step).map { Int(bytes[$0]) }
            start = form.labelBytes
        }
        // Members of one archive share its file.
        if files.last !== file { files.append(file) }
        let stem = form.batch(batch.name) ?? batch.name
        for (number, label) in labels.enumerated() {
            guard classes.indices.contains(label) else {
                throw Failure(
                    "image \(number) of \(name) has label \(label) of \(classes.count) classes", hint: "fetch it again")
            }
            let place = ShardSource.Place.part(
                file: files.count - 1, offset: range.lowerBound + start + number * step, size: size)
            images[ExactName(classes[label]), default: []].append(
                Image(name: ExactName("\(stem.text)-\(zeroPadded(number, to: 5))"), place: place))
        }
    }
}
