import Base
import Images

// What tar archives hold, other than samples of WebDataset.

extension SourceListing {
    /// Lists the archive `file`: CIFAR's batches, samples of WebDataset, images without directories if there are labels, one archive per
    /// class, or <class>/<file>.
    ///
    /// Hidden members are passed over. Throws `Failure` as `ShardSource.init` does.
    init(tar file: SourceFile, _ selection: ShardSource.Selection) throws {
        let path = file.path
        var passedOver = PassedOver()
        let listing = try listTar(file, range: 0..<file.size, name: path, passedOver: &passedOver)
        let all = listing.members.filter { !$0.path.isEmpty }
        let members = all.filter { !$0.path.contains(where: \.isHidden) }
        if let batches = try SourceListing(cifar: members, of: file, selection) {
            self = batches
            self.passedOver += passedOver
            return
        }
        let within = selection.within.map { components($0) } ?? []
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
        } else if isWebDataset(taken) {
            self = try SourceListing(samples: [(file, taken)], path: path, selection)
        } else {
            self.init(path: path, kind: .tar, files: [file])
            let tree = taken.map { TreeFile(path: $0.path, place: $0.place) }
            let root = selection.within == nil ? classRoot(of: tree) : within
            try add(tree: tree, folders: listing.folders, below: root, isChosen: selection.within != nil)
        }
        passedOver[.hidden] += all.count - members.count
        self.passedOver += passedOver
    }

    private mutating func add(_ member: TarMember, class name: ExactName) {
        images[name, default: []].append(Image(name: member.name, place: member.place))
    }

    /// ILSVRC2012's training set: the archive n01440764.tar holds the class n01440764.
    private mutating func addArchives(_ archives: [TarMember]) throws {
        for archive in archives {
            let name = archive.name.dropLast(".tar".utf8.count)
            guard images.updateValue([], forKey: name) == nil else {
                throw Failure("\(path) holds \(archive.name.text) twice", hint: "choose one part with --within")
            }
            let members = try listTar(
                files[0], range: archive.range, name: "\(archive.name.text) in \(path)", passedOver: &passedOver
            ).members
            for member in members where !member.path.isEmpty && !member.name.isHidden { add(member, class: name) }
        }
    }

    /// ILSVRC2012's validation set: images without directories, the classes in a file.
    private mutating func addFlat(_ members: [TarMember], labels: String, names: String?) throws {
        guard Set(members.map { $0.path.dropLast() }).count == 1 else {
            throw Failure(
                "\(path) has directories, so its images need no --labels", hint: "leave it out, or choose --within")
        }
        let sorted = members.sorted { $0.name < $1.name }
        let images = sorted.map(\.name)
        let classes = try LabelFile(labels, names: names, images: images)
            .classes(ofFiles: images, respelled: &respelled)
        for (member, name) in zip(sorted, classes) { add(member, class: ExactName(name)) }
    }
}

extension TarMember {
    /// In the only file of a source.
    fileprivate var place: ShardSource.Place { .part(file: 0, offset: range.lowerBound, size: range.count) }
}
