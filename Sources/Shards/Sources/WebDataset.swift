import Base
import Foundation
import Images

// Archives of WebDataset: members that share a stem are a sample, such as 000000.jpg, 000000.cls and 000000.json.

/// Suffixes that people use for images; which of them can be decoded is for `ImageDecoder`.
let imageSuffixes: Set<String> = [
    "jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "ppm", "pgm", "pnm", "img", "image", "jfif", "avif",
]

/// Whether the members of an archive are samples: they are in one directory, and an image has a label, or a description, of its stem.
func isWebDataset(_ members: [TarMember]) -> Bool {
    guard let first = members.first, members.allSatisfy({ $0.path.dropLast() == first.path.dropLast() }) else {
        return false
    }
    let parts = members.map { WebSample.parts(of: $0) }
    let described = Set(parts.filter { ["cls", "json"].contains($0.suffix) }.map(\.stem))
    return parts.contains { imageSuffixes.contains($0.lastSuffix) && described.contains($0.stem) }
}

private struct WebSample {
    var image: TarMember?
    /// Its other members by suffix: those that may say its label.
    var others: [String: TarMember] = [:]

    /// The path of a member up to the first dot of its name, what follows, and what follows the last dot.
    static func parts(of member: TarMember) -> (stem: ExactName, suffix: String, lastSuffix: String) {
        let pieces = member.name.text.split(separator: ".", omittingEmptySubsequences: false)
        let suffix = pieces.dropFirst().joined(separator: ".").lowercased()
        let last = pieces.count > 1 ? pieces[pieces.count - 1].lowercased() : ""
        return (ExactName(joined(member.path.dropLast() + [ExactName(String(pieces[0]))])), suffix, last)
    }
}

extension SourceListing {
    /// The samples of the archives `paths`, those of the directory `path` or any. Throws `Failure` as `ShardSource.init` does.
    init(webDataset paths: [String], in path: String?, _ selection: ShardSource.Selection) throws {
        if paths.count > 64 { _ = ShardDirectory.raisedOpenLimit() }
        var left = SourceFile.maximumDecompressedSize
        var passedOver = PassedOver()
        let archives = try paths.map { path in
            let file = try SourceFile(path, limit: left)
            left -= file.decompressedSize
            let members = try listTar(file, range: 0..<file.size, name: path, passedOver: &passedOver).members
            return (file, members.filter { !$0.path.isEmpty && !$0.path.contains(where: \.isHidden) })
        }
        try self.init(samples: archives, path: path ?? paths[0], selection)
        self.passedOver += passedOver
    }

    /// The samples of `archives`, each with its members.
    init(samples archives: [(file: SourceFile, members: [TarMember])], path: String, _ selection: ShardSource.Selection)
        throws
    {
        self.init(path: path, kind: .webDataset, files: archives.map(\.file))
        let field = selection.labelField
        let labelMembers = Set(["cls", "json"] + [field].compactMap { $0 })
        var (found, labels): ([Image], [SampleLabel?]) = ([], [])
        for (number, archive) in archives.enumerated() {
            let name = archive.file.path.lastName.components(separatedBy: ".tar")[0]
            for (stem, sample) in Self.samples(archive.members, labelMembers) {
                guard let image = sample.image else {
                    passedOver[.withoutImage] += 1
                    continue
                }
                let place = ShardSource.Place.part(
                    file: number, offset: image.range.lowerBound, size: image.range.count)
                found.append(Image(name: ExactName("\(name)/\(stem.text)"), place: place))
                labels.append(try Self.label(of: sample, in: archive.file, field: field))
            }
        }
        if let field, !labels.contains(where: { $0 != nil }) {
            throw Failure("no sample of \(path) has the label field \(field)", hint: "choose another --label-field")
        }
        try add(found, labels, names: selection.labelNames)
    }

    /// The samples of an archive in the order of their stems.
    private static func samples(_ members: [TarMember], _ labels: Set<String>) -> [(ExactName, WebSample)] {
        var samples: [ExactName: WebSample] = [:]
        for member in members {
            let (stem, suffix, last) = WebSample.parts(of: member)
            if labels.contains(suffix) {
                samples[stem, default: WebSample()].others[suffix] = member
            } else if imageSuffixes.contains(last), samples[stem]?.image == nil {
                samples[stem, default: WebSample()].image = member
            } else if samples[stem] == nil {
                samples[stem] = WebSample()
            }
        }
        return samples.sorted { $0.key < $1.key }
    }

    /// The label that a member of the sample says: the field `field`, or one with a usual name. Throws `Failure` if a member is no JSON.
    private static func label(of sample: WebSample, in file: SourceFile, field: String?) throws -> SampleLabel? {
        func contents(_ member: TarMember) throws -> [UInt8] {
            guard member.range.count <= 1 << 20 else {
                throw Failure("\(member.name.text) of \(file.path) has \(member.range.count) bytes", hint: "shorten it")
            }
            return try file.bytes(member.range.count, at: member.range.lowerBound)
        }
        if let text = sample.others[field ?? "cls"], field != "json" {
            return SampleLabel(text: Shards.text(of: try contents(text)))
        }
        guard let member = sample.others["json"] else { return nil }
        let json = try? JSONSerialization.jsonObject(with: Data(try contents(member)))
        guard let fields = json as? [String: Any] else {
            throw Failure("\(member.name.text) of \(file.path) is no JSON object", hint: "make the archive again")
        }
        let value = (field.map { [$0] } ?? ["label", "cls", "class"]).lazy.compactMap { fields[$0] }.first
        switch value {
        case let text as String: return SampleLabel(text: text)
        case let number as NSNumber: return .number(number.intValue)
        default: return nil
        }
    }
}
