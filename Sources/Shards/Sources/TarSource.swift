import Base
import Images

// Sources in a tar archive.

extension SourceListing {
    /// Lists the archive at `path`: CIFAR-10's batches, images without directories if there are labels, one archive per class, or
    /// <class>/<file>.
    ///
    /// Hidden members are ignored. Throws `Failure` as `ShardSource.init` does.
    init(tar path: String, _ selection: ShardSource.Selection) throws {
        let file = try SourceFile(path)
        let members = try listTar(file, range: 0..<file.size, name: path).filter { member in
            !member.path.isEmpty && !member.path.contains { $0.hasPrefix(".") }
        }
        if let batches = try SourceListing(cifar10: members, of: file, selection) {
            self = batches
            return
        }
        let within = selection.within?.split(separator: "/") ?? []
        let taken = members.filter { $0.path.count > within.count && $0.path.starts(with: within) }
        guard !taken.isEmpty else {
            throw Failure(
                "\(path) holds no files" + (within.isEmpty ? "" : " in \(within.joined(separator: "/"))"),
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

    private mutating func add(_ member: TarMember, class name: String) {
        let place = ShardSource.Place.part(file: 0, offset: member.range.lowerBound, size: member.range.count)
        images[name, default: []].append(Image(name: member.name, place: place))
    }

    /// <class>/<file> below the directory that has the most such files, among those of at least `depth` components. As in a folder, files
    /// next to the classes and deeper ones are ignored; other directories with classes are not, since they may be those of the test set.
    private mutating func addClasses(_ members: [TarMember], below depth: Int) throws {
        var counts: [[Substring]: Int] = [:]
        for member in members where member.path.count >= depth + 2 { counts[member.path.dropLast(2), default: 0] += 1 }
        let ordered = counts.sorted { ($1.value, $0.key.count) < ($0.value, $1.key.count) }
        guard let parent = ordered.first?.key else {
            throw Failure(
                "\(path) has no class directories",
                hint: "for a flat archive such as ILSVRC2012_img_val.tar name the file with its --labels")
        }
        let others = ordered.map(\.key).filter { !$0.starts(with: parent) && !parent.starts(with: $0) }
        guard others.isEmpty else {
            let parts = ([parent] + others).map { $0.joined(separator: "/") }.sorted()
            throw Failure(
                "\(path) holds several parts: \(parts.prefix(4).joined(separator: ", "))",
                hint: "choose one, such as --within \(parent.joined(separator: "/"))")
        }
        for member in members where member.path.count == parent.count + 2 && member.path.starts(with: parent) {
            add(member, class: String(member.path[parent.count]))
        }
    }

    /// ILSVRC2012's training set: the archive n01440764.tar holds the class n01440764.
    private mutating func addArchives(_ archives: [TarMember]) throws {
        for archive in archives {
            let name = String(archive.name.dropLast(".tar".count))
            guard images.updateValue([], forKey: name) == nil else {
                throw Failure("\(path) holds \(archive.name) twice", hint: "choose one part with --within")
            }
            for member in try listTar(files[0], range: archive.range, name: "\(archive.name) in \(path)")
            where !member.name.isEmpty && !member.name.hasPrefix(".") { add(member, class: name) }
        }
    }

    /// ILSVRC2012's validation set: images without directories, the classes in a file.
    private mutating func addFlat(_ members: [TarMember], labels: String, names: String?) throws {
        guard Set(members.map { $0.path.dropLast() }).count == 1 else {
            throw Failure(
                "\(path) has directories, so its images need no --labels", hint: "leave it out, or choose --within")
        }
        let sorted = members.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        let classes = try LabelFile(labels, names: names).classes(ofFiles: sorted.map(\.name))
        for (member, name) in zip(sorted, classes) { add(member, class: name) }
    }
}
