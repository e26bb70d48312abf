import Base
import Foundation
import Images
import Shards
import TestSupport
import Testing

/// Shards written as images again.
@Suite struct ExportTests {
    private struct Pixels: Hashable {
        let name: String?
        let bytes: [UInt8]
    }

    private func pixels(_ path: String) throws -> [Pixels] {
        try RearrangingTests.samples(path).map { Pixels(name: $0.name, bytes: $0.bytes) }
    }

    /// Shards, images, shards: the same patches and classes.
    @Test(arguments: [ShardExport.Form.folder, .webDataset]) func imagesShardedAgainAreTheSame(form: ShardExport.Form)
        throws
    {
        try withTemporaryDirectory { path in
            _ = try makeSource("\(path)/in")
            try Sharding.run(
                source: ShardSource("\(path)/in"), output: "\(path)/one", options: smallOptions(shuffle: 2))
            let summary = try ShardExport(path: "\(path)/one", form: form, tarBytes: 24_000, jobs: 2)
                .write(to: "\(path)/images")
            #expect(summary.samples == 9)
            let found = try names(in: "\(path)/images")
            if form == .folder {
                #expect(found == ["ape", "bee", "cow"] && summary.files == 9)
                #expect(try names(in: "\(path)/images/bee") == ["0.png", "1.png", "2.png"])
            } else {
                #expect(summary.files == found.count && found.count > 1 && found[0] == "samples-000000.tar")
                for file in found {
                    let size = try FileManager.default.attributesOfItem(atPath: "\(path)/images/\(file)")[.size] as? Int
                    #expect(try #require(size) <= 24_000 + 10_240)
                }
            }
            let source = try ShardSource(
                "\(path)/images", .init(labelNames: form == .webDataset ? "\(path)/one/index.json" : nil))
            try Sharding.run(source: source, output: "\(path)/two", options: smallOptions())
            let isSame = try Set(pixels("\(path)/one")) == Set(pixels("\(path)/two"))
            #expect(isSame)
            // The same bytes again, on other threads.
            _ = try ShardExport(path: "\(path)/one", form: form, tarBytes: 24_000, jobs: 3).write(to: "\(path)/again")
            #expect(try haveSameFiles("\(path)/images", "\(path)/again"))
            let full = try failure { _ = try ShardExport(path: "\(path)/one", form: form).write(to: "\(path)/again") }
            #expect(full.problem.contains("is not empty"))
        }
    }

    @Test func storedFilesAreWrittenUnchanged() throws {
        try withTemporaryDirectory { path in
            let images = try makeSource("\(path)/in")
            for (number, image) in images.enumerated() {
                try write(JPEGEncoder.encode(image, quality: 70), to: "\(path)/jpegs/deep/er/\(number).JPEG")
            }
            let options = ShardingOptions(.original(.rgb), shardSize: 4)
            try Sharding.run(source: ShardSource("\(path)/jpegs"), output: "\(path)/one", options: options)
            _ = try ShardExport(path: "\(path)/one", form: .folder, jobs: 2).write(to: "\(path)/images")
            for number in images.indices {
                #expect(
                    FileManager.default.contentsEqual(
                        atPath: "\(path)/jpegs/deep/er/\(number).JPEG", andPath: "\(path)/images/deep/er/\(number).jpg")
                )
            }
        }
    }

    @Test func samplesWithoutClassesAreFilesAlone() throws {
        try withTemporaryDirectory { path in
            _ = try makeSource("\(path)/in")
            try Sharding.run(source: ShardSource("\(path)/in/ape"), output: "\(path)/one", options: smallOptions())
            _ = try ShardExport(path: "\(path)/one", form: .folder).write(to: "\(path)/images")
            #expect(try names(in: "\(path)/images") == ["0.png", "1.png", "2.png"])
            _ = try ShardExport(path: "\(path)/one", form: .webDataset).write(to: "\(path)/tars")
            let source = try ShardSource("\(path)/tars")
            #expect(source.classes.isEmpty && source.items.count == 3)
            // Together with others they have no place in a folder.
            try Sharding.run(source: ShardSource("\(path)/in"), output: "\(path)/two", options: smallOptions())
            _ = try ShardMerge(["\(path)/one", "\(path)/two"]).write(to: "\(path)/both")
            let mixed = try failure { _ = try ShardExport(path: "\(path)/both", form: .folder).write(to: "\(path)/x") }
            #expect(mixed.hint.contains("webdataset"))
            #expect(try ShardExport(path: "\(path)/both", form: .webDataset).write(to: "\(path)/x").samples == 12)
        }
    }

    /// Keys and classes that are paths, hidden, too long, or of bytes that steer a terminal: all stay inside.
    @Test func noNameLeadsOutOfTheOutput() throws {
        try withTemporaryDirectory { path in
            let image = try Drawing.image(number: 0, label: 0, side: 32, seed: 4)
            let long = String(repeating: "ä", count: 300)
            let keys = [
                "../../victim", "/etc/victim", "..", ".", ".hidden", "a/../../b", "a\u{1b}[31m\nb", "\\x2F\\x2Fetc",
                "\\x2E\\x2E", "\\x00", long, long + "2", "a.png", "a.jpg", "a", "a.png/b", "con", "a//b",
                (0..<40).map { "\($0)" }.joined(separator: "/"), "x\u{85}y", "",
            ]
            let classes = ["..", "/", "a/b", ".", "\\x2E\\x2E", ".x", "\u{7f}", long, ""]
            let shards = "\(path)/odd"
            try OddShards.write(to: shards, keys: keys, classes: classes, image: image)
            for form in ShardExport.Form.allCases {
                let out = "\(path)/sub/\(form.rawValue)"
                #expect(try ShardExport(path: shards, form: form, jobs: 2).write(to: out).samples == 189)
                let found = try FileManager.default.subpathsOfDirectory(atPath: "\(path)/sub")
                let files = found.filter { $0.hasSuffix(".png") }
                if form == .folder { #expect(files.count == 189) }
                for name in found.flatMap({ $0.split(separator: "/") }) {
                    #expect(name.utf8.count <= 255 && name != "..")
                    #expect(!name.unicodeScalars.contains { $0.value < 32 || (0x7F..<0xA0).contains($0.value) })
                }
            }
            #expect(try names(in: path) == ["odd", "sub"])
            #expect(try names(in: "\(path)/sub") == ["folder", "webdataset"])
            #expect(try names(in: "\(path)/sub/folder").count == classes.count)
            // All of them are read again.
            let source = try ShardSource("\(path)/sub/folder", .init(within: "."))
            #expect(source.items.count == 189 && source.passedOver.description == nil)
        }
    }

    /// A name that is not UTF-8 is the same bytes again, and so is a class.
    @Test func namesOfAFileSystemStayAsTheyAre() throws {
        try withTemporaryDirectory { path in
            let image = try Drawing.image(number: 0, label: 0, side: 32, seed: 4)
            let (classes, keys) = (["caf\\xE9", "caf\u{e9}", "cafe\u{301}"], ["\\xFF", "a\\x5Cx41", "ü", "b c"])
            try OddShards.write(to: "\(path)/odd", keys: keys, classes: classes, image: image)
            _ = try ShardExport(path: "\(path)/odd", form: .folder).write(to: "\(path)/images")
            let source = try ShardSource("\(path)/images")
            #expect(Set(source.classes.map { ExactName($0) }) == Set(classes.map { ExactName($0) }))
            let found = Set(source.items.map { ExactName(source.key(of: $0)) })
            #expect(found == Set(classes.flatMap { name in keys.map { ExactName("\(name)/\($0).png") } }))
        }
    }

    @Test(.enabled(if: hasWebDataset, setupHint)) func webDatasetReadsTheArchives() throws {
        try withTemporaryDirectory { path in
            let images = try makeSource("\(path)/in")
            try Sharding.run(source: ShardSource("\(path)/in"), output: "\(path)/one", options: smallOptions())
            _ = try ShardExport(path: "\(path)/one", form: .webDataset, tarBytes: 24_000).write(to: "\(path)/tars")
            try Data(images.flatMap(\.pixels)).write(to: URL(fileURLWithPath: "\(path)/pixels"))
            let script = """
                import glob, sys, tarfile, numpy, webdataset
                path = sys.argv[1]
                tars = sorted(glob.glob(path + '/tars/*.tar'))
                for tar in tars:
                    for member in tarfile.open(tar):
                        assert member.mtime == 0 and member.uid == 0 and member.isfile(), member
                dataset = webdataset.WebDataset(tars, shardshuffle=False).decode('rgb8').to_tuple('png', 'cls', 'json')
                samples = list(dataset)
                assert len(samples) == 9, len(samples)
                pixels = numpy.fromfile(path + '/pixels', 'u1').reshape(9, 32, 32, 3)
                for number, (image, label, fields) in enumerate(samples):
                    assert (image == pixels[number]).all() and label == number // 3 == fields['label']
                    name = ['ape', 'bee', 'cow'][label]
                    assert fields['class'] == name and fields['key'] == f'{name}/{number % 3}.png', fields
                """
            try run("\(root)/.venv/bin/python", "-c", script, path)
        }
    }
}
