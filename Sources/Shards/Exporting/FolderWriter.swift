import Base
import Foundation

/// Writes samples as files <class>/<name> below a directory of its own.
struct FolderWriter {
    private let path: String
    private let classes: [String]
    /// The name of the directory of each class.
    private var folders: [[UInt8]] = []
    private var made: Set<[UInt8]> = []
    /// The last number of a file whose name was taken.
    private var numbers: [[UInt8]: Int] = [:]
    private var hasLabels: Bool?

    /// Writes to the empty directory `path`. Throws `Failure` if a directory cannot be made.
    init(_ path: String, classes: [String]) throws {
        self.path = path
        self.classes = classes
        var taken: Set<[UInt8]> = []
        for name in classes {
            let folder = ExportedName.name(name)
            // Two names may be the same when they are escaped or shortened.
            let free = (1...).lazy.map { $0 == 1 ? folder : ExportedName.numbered(folder, $0, suffixBytes: 0) }
                .first { !taken.contains($0) }
            folders.append(free ?? folder)
            taken.insert(folders[folders.count - 1])
        }
    }

    /// Throws `Failure` if the sample cannot be written, or if some samples have a class and others have none.
    mutating func add(_ sample: ShardExport.EncodedSample) throws {
        guard hasLabels == nil || hasLabels == (sample.label >= 0) else {
            throw Failure(
                "some samples have a class and others have none, for which a folder has no form",
                hint: "write them --as webdataset")
        }
        hasLabels = sample.label >= 0
        var rest = sample.key
        var place: [UInt8] = []
        if sample.label >= 0 {
            place = folders[sample.label]
            let prefix = classes[sample.label] + "/"
            if rest.utf8.starts(with: prefix.utf8) {
                rest = String(decoding: rest.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
            }
            try makeFolder(place)
        }
        var names = ExportedName.path(rest, suffix: sample.suffix)
        let file = names.removeLast()
        for name in names {
            place = joined(place, name)
            try makeFolder(place)
        }
        try write(sample.image, to: file, in: place, suffixBytes: sample.suffix.utf8.count + 1)
    }

    private mutating func makeFolder(_ place: [UInt8]) throws {
        guard made.insert(place).inserted else { return }
        guard mkdir(systemPath(place), 0o777) == 0 || errno == EEXIST else { throw failure(place) }
    }

    /// Writes a file that was not there: under its name, or with a number if another has it.
    private mutating func write(_ bytes: [UInt8], to name: [UInt8], in place: [UInt8], suffixBytes: Int) throws {
        let first = joined(place, name)
        var (file, number) = (first, numbers[first] ?? 1)
        var descriptor: Int32 = -1
        while true {
            if number > 1 { file = joined(place, ExportedName.numbered(name, number, suffixBytes: suffixBytes)) }
            descriptor = open(systemPath(file), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
            guard descriptor < 0, errno == EEXIST else { break }
            number += 1
        }
        guard descriptor >= 0 else { throw failure(file) }
        defer { close(descriptor) }
        if number > 1 { numbers[first] = number }
        try bytes.withUnsafeBytes { bytes in
            var done = 0
            while done < bytes.count {
                let written = Foundation.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
                if written < 0 && errno == EINTR { continue }
                guard written > 0 else { throw failure(file) }
                done += written
            }
        }
    }

    private func joined(_ place: [UInt8], _ name: [UInt8]) -> [UInt8] {
        place.isEmpty ? name : place + [UInt8(ascii: "/")] + name
    }

    private func systemPath(_ place: [UInt8]) -> [CChar] {
        (Array(path.utf8) + [UInt8(ascii: "/")] + place).map { CChar(bitPattern: $0) } + [0]
    }

    private func failure(_ place: [UInt8]) -> Failure {
        systemFailure("cannot write \(path)/\(FileName.text(place).printable)")
    }
}
