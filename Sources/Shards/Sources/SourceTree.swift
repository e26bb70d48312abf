import Base
import Foundation
import Images

/// A file in a folder or an archive.
struct TreeFile {
    /// Components of its path.
    let path: [ExactName]
    let place: ShardSource.Place

    /// The last component.
    var name: ExactName { path.last ?? ExactName("") }
}

extension SourceListing {
    /// Adds `files`: their class is the first directory below `root`, as in torchvision's ImageFolder, and their name the path from there.
    /// Files without any directory below `root` have no class. Of the directories `folders` those that lie there are classes too, where there
    /// are any: without an empty one, the labels of those behind it would mean other classes than in another part of the data.
    ///
    /// Throws `Failure` if the directories at `root` may be the parts of a data set and not its classes, unless it `isChosen`.
    mutating func add(tree files: [TreeFile], folders: [[ExactName]], below root: [ExactName], isChosen: Bool) throws {
        let inside = files.filter { $0.path.count > root.count && $0.path.starts(with: root) }
        let (beside, classed) = (
            inside.filter { $0.path.count == root.count + 1 }, inside.filter { $0.path.count > root.count + 1 }
        )
        // In archives from a Mac, the last one holds attributes of files.
        let names = folders.filter { $0.count == root.count + 1 && $0.starts(with: root) }.map { $0[root.count] }
            .filter { !$0.isHidden && $0 != ExactName("__MACOSX") }
        if classed.isEmpty {
            passedOver[.emptyClass] += names.count
            unlabelled += beside.map { Image(name: $0.name, place: $0.place) }
            return
        }
        if !isChosen { try requireClasses(classed, at: root.count) }
        passedOver[.besideClasses] += beside.count
        for name in names { images[name, default: []] += [] }
        for file in classed {
            let name = file.path.count == root.count + 2 ? file.name : ExactName(joined(file.path[(root.count + 1)...]))
            images[file.path[root.count], default: []].append(Image(name: name, place: file.place))
        }
    }

    /// The directories of `files` at `depth` are classes if most files lie directly in them, or only one has directories.
    private func requireClasses(_ files: [TreeFile], at depth: Int) throws {
        let deeper = files.filter { $0.path.count > depth + 2 }
        guard 2 * deeper.count > files.count else { return }
        let parents = Set(deeper.map(\.path[depth])).sorted().map { joined(files[0].path[..<depth] + [$0]) }
        guard parents.count > 1 else { return }
        throw Failure(
            "\(path) holds several parts: \(parts(parents))",
            hint: "choose one, such as --within \(parents[0]), or --within . if these are the classes")
    }

    private func parts(_ names: [String]) -> String {
        names.prefix(4).joined(separator: ", ") + (names.count > 4 ? ", ..." : "")
    }
}

/// The directory whose directories are the classes: the first one from the top that holds more than one of them, or files in its only
/// one.
func classRoot(of files: [TreeFile]) -> [ExactName] {
    var root: [ExactName] = []
    while true {
        let inside = files.filter { $0.path.count > root.count + 1 }
        guard let first = inside.first?.path[root.count], inside.allSatisfy({ $0.path[root.count] == first }),
            2 * inside.count(where: { $0.path.count > root.count + 2 }) > inside.count
        else { return root }
        root.append(first)
    }
}

func joined(_ path: some Sequence<ExactName>) -> String { path.map(\.text).joined(separator: "/") }

/// What is in a directory. Links are followed.
struct DirectoryEntries {
    var files: [String] = []
    var directories: [String] = []
    var hidden = 0

    /// Of the directory `inner` in `path`, or of `path`; names are texts of `FileName`. Throws `Failure` if it cannot be listed.
    init(_ path: String, _ inner: String = "") throws {
        let place = FileName.path(path, inner)
        let folder = inner.isEmpty ? path : "\(path)/\(inner)"
        guard let directory = opendir(place) else { throw systemFailure("cannot list \(folder)") }
        defer { closedir(directory) }
        while true {
            errno = 0
            guard let found = readdir(directory) else {
                guard errno == 0 else { throw systemFailure("cannot list \(folder)") }
                return
            }
            let name = withUnsafeBytes(of: &found.pointee.d_name) {
                FileName.text($0.prefix { $0 != 0 })
            }
            if ExactName(name).isHidden {
                if name != "." && name != ".." { hidden += 1 }
                continue
            }
            var kind = Int(found.pointee.d_type)
            if kind == DT_LNK || kind == DT_UNKNOWN {
                var status = stat()
                let target = FileName.path(path, inner.isEmpty ? name : "\(inner)/\(name)")
                if stat(target, &status) == 0 { kind = Int(status.st_mode & S_IFMT) >> 12 }
            }
            if kind == DT_REG { files.append(name) }
            if kind == DT_DIR { directories.append(name) }
        }
    }
}

/// The files below the directory `path`, and the directories in it. The kind of files is detected when they are opened, not by
/// their names.
///
/// Throws `Failure` if a directory cannot be listed or a link leads to a directory above it.
func filesOfTree(at path: String, passedOver: inout PassedOver) throws -> (files: [TreeFile], folders: [[ExactName]]) {
    struct Place: Hashable {
        let device: UInt
        let number: UInt
    }
    var (files, folders): ([TreeFile], [[ExactName]]) = ([], [])
    func visit(_ names: [ExactName], above: [Place]) throws {
        let inner = joined(names)
        let folder = inner.isEmpty ? path : "\(path)/\(inner)"
        var status = stat()
        guard stat(FileName.path(path, inner), &status) == 0 else { throw systemFailure("cannot list \(folder)") }
        let place = Place(device: UInt(status.st_dev), number: UInt(status.st_ino))
        guard !above.contains(place), above.count < 64 else {
            throw Failure("\(folder) is a link to a directory above it, or too deep", hint: "remove it")
        }
        let entries = try DirectoryEntries(path, inner)
        passedOver[.hidden] += entries.hidden
        if names.count == 1 { folders.append(names) }
        for file in entries.files { files.append(TreeFile(path: names + [ExactName(file)], place: .file)) }
        for directory in entries.directories { try visit(names + [ExactName(directory)], above: above + [place]) }
    }
    try visit([], above: [])
    return (files, folders)
}
