import Base
import Foundation
import Images

/// The images of a source by class.
struct SourceListing {
    struct Image {
        let name: ExactName
        let place: ShardSource.Place
    }

    /// The directory of the classes, or the directory or archive that holds all images.
    let path: String
    let kind: ShardSource.Kind
    var files: [SourceFile] = []
    /// By class, which may have none.
    var images: [ExactName: [Image]] = [:]
}

extension SourceListing {
    /// Detects what is at `path` and lists it. Throws `Failure` as `ShardSource.init` does.
    init(_ path: String, _ selection: ShardSource.Selection) throws {
        var status = stat()
        guard stat(path, &status) == 0 else { throw systemFailure("cannot open \(path)") }
        if status.st_mode & S_IFMT != S_IFDIR {
            self = try SourceListing(tar: path, selection)
        } else if let batches = try SourceListing(cifar10: path, selection) {
            self = batches
        } else {
            let folder = selection.within.map { path.appending(name: $0) } ?? path
            self = try SourceListing(folder: folder)
        }
        guard selection.labels == nil || kind == .imagenetValidation else {
            throw Failure(
                "\(path) tells the classes of its images itself",
                hint: "leave --labels out; it is for an archive of images without directories")
        }
        guard images.contains(where: { !$0.value.isEmpty }) else {
            throw Failure("the \(images.count) classes of \(path) have no files", hint: "put the images into them")
        }
    }

    /// Classes are the sub-directories, images the regular files in them. Hidden entries, deeper directories and files next to the classes
    /// are ignored. The kind of a file is detected when it is opened, not by its name.
    private init(folder path: String) throws {
        self.init(path: path, kind: .folder)
        let classes = try names(in: path, of: Int(DT_DIR))
        guard !classes.isEmpty else {
            throw Failure(
                "\(path) has no class directories", hint: "put the images into one sub-directory for each class")
        }
        for name in classes {
            images[ExactName(name)] = try names(in: "\(path)/\(name)", of: Int(DT_REG)).map {
                Image(name: ExactName($0), place: .file)
            }
        }
    }
}

/// Names of the entries of a directory that are not hidden and of a kind: `DT_DIR` or `DT_REG`. Links are followed.
func names(in path: String, of wanted: Int) throws -> [String] {
    guard let directory = opendir(path) else { throw systemFailure("cannot list \(path)") }
    defer { closedir(directory) }
    var names: [String] = []
    while true {
        errno = 0
        guard let found = readdir(directory) else {
            guard errno == 0 else { throw systemFailure("cannot list \(path)") }
            return names
        }
        let name = withUnsafeBytes(of: &found.pointee.d_name) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        if ExactName(name).isHidden { continue }
        var kind = Int(found.pointee.d_type)
        if kind == DT_LNK || kind == DT_UNKNOWN {
            var status = stat()
            if stat(path + "/" + name, &status) == 0 { kind = Int(status.st_mode & S_IFMT) >> 12 }
        }
        if kind == wanted { names.append(name) }
    }
}

extension SourceListing {
    /// Lists the archive at `path`: CIFAR-10's batches, images without directories if there are labels, one archive per class, or
    /// <class>/<file>.
    ///
    /// Hidden members are ignored. Throws `Failure` as `ShardSource.init` does.
    init(tar path: String, _ selection: ShardSource.Selection) throws {
        let file = try SourceFile(path)
        let members = try listTar(file, range: 0..<file.size, name: path).filter { member in
            !member.path.isEmpty && !member.path.contains(where: \.isHidden)
        }
        if let batches = try SourceListing(cifar10: members, of: file, selection) {
            self = batches
            return
        }
        let within = selection.within.map { ExactName.parts(of: $0) } ?? []
        let taken = members.filter { $0.path.count > within.count && $0.path.starts(with: within) }
        guard !taken.isEmpty else {
            throw Failure(
                "\(path) holds no files" + (within.isEmpty ? "" : " in \(joined(within))"),
                hint: "list it with tar -t")
        }
        if let labels = selection.labels {
            self.init(path: path, kind: .imagenetValidation, files: [file])
            try addFlat(taken, labels: labels, names: selection.labelNames)
        } else if taken.allSatisfy({ $0.name.hasSuffix(".tar") }) {
            self.init(path: path, kind: .imagenetTraining, files: [file])
            try addArchives(taken)
        } else {
            self.init(path: path, kind: .tar, files: [file])
            try addClasses(taken, below: within.count)
        }
    }

    private mutating func add(_ member: TarMember, class name: ExactName) {
        let place = ShardSource.Place.part(file: 0, offset: member.range.lowerBound, size: member.range.count)
        images[name, default: []].append(Image(name: member.name, place: place))
    }

    /// <class>/<file> below the directory that has the most such files, among those of at least `depth` components. As in a folder, files
    /// next to the classes and deeper ones are ignored; other directories with classes are not, since they may be those of the test set.
    private mutating func addClasses(_ members: [TarMember], below depth: Int) throws {
        var counts: [[ExactName]: Int] = [:]
        for member in members where member.path.count >= depth + 2 { counts[member.path.dropLast(2), default: 0] += 1 }
        let ordered = counts.sorted { ($1.value, $0.key.count) < ($0.value, $1.key.count) }
        guard let parent = ordered.first?.key else {
            throw Failure(
                "\(path) has no class directories",
                hint: "for a flat archive such as ILSVRC2012_img_val.tar name the file with its --labels")
        }
        let others = ordered.map(\.key).filter { !$0.starts(with: parent) && !parent.starts(with: $0) }
        guard others.isEmpty else {
            let parts = ([parent] + others).map { joined($0) }.sorted()
            throw Failure(
                "\(path) holds several parts: \(parts.prefix(4).joined(separator: ", "))",
                hint: "choose one, such as --within \(joined(parent))")
        }
        for member in members where member.path.count == parent.count + 2 && member.path.starts(with: parent) {
            add(member, class: member.path[parent.count])
        }
    }

    /// ILSVRC2012's training set: the archive n01440764.tar holds the class n01440764.
    private mutating func addArchives(_ archives: [TarMember]) throws {
        for archive in archives {
            let name = archive.name.dropLast(".tar".utf8.count)
            guard images.updateValue([], forKey: name) == nil else {
                throw Failure("\(path) holds \(archive.name.text) twice", hint: "choose one part with --within")
            }
            for member in try listTar(files[0], range: archive.range, name: "\(archive.name.text) in \(path)")
            where !member.path.isEmpty && !member.name.isHidden { add(member, class: name) }
        }
    }

    /// ILSVRC2012's validation set: images without directories, the classes in a file.
    private mutating func addFlat(_ members: [TarMember], labels: String, names: String?) throws {
        guard Set(members.map { $0.path.dropLast() }).count == 1 else {
            throw Failure(
                "\(path) has directories, so its images need no --labels", hint: "leave it out, or choose --within")
        }
        let sorted = members.sorted { $0.name < $1.name }
        let classes = try LabelFile(labels, names: names).classes(ofFiles: sorted.map(\.name))
        for (member, name) in zip(sorted, classes) { add(member, class: ExactName(name)) }
    }
}

private func joined(_ path: [ExactName]) -> String { path.map(\.text).joined(separator: "/") }
