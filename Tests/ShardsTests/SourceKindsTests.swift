import Base
import Foundation
import Images
import Shards
import TestSupport
import Testing

let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../.."
private let python = "\(root)/.venv/bin/python"

private func has(_ modules: String) -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: python)
    process.arguments = ["-c", "import \(modules)"]
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
}

let hasPython = has("numpy, PIL")
let hasParquet = has("numpy, PIL, pyarrow.parquet")
let hasWebDataset = has("numpy, PIL, webdataset")
let setupHint: Comment = ".venv lacks a Python package; run: Launch/setup --tests"

/// Makes the sources `forms` in `directory`, see Tests/Python/make_sources.py.
func makeSources(_ forms: String..., in directory: String) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: python)
    process.arguments = ["\(root)/Tests/Python/make_sources.py", directory] + forms
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "\(forms)")
}

/// The same small data set in every form, made by the usual tool of each.
@Suite struct SourceKindsTests {
    private struct Sample: Hashable {
        let name: String
        let pixels: [UInt8]
    }

    /// Shards `source` to `out`, and returns its samples with the names of their classes.
    @discardableResult
    private func samples(_ source: ShardSource, _ out: String) throws -> [Sample] {
        var options = try smallOptions()
        options.shardSize = 16
        let summary = try Sharding.run(source: source, output: out, options: options)
        #expect(summary.skipped == 0)
        #expect(try ShardVerifier(path: out).problems().isEmpty)
        var shards = try ShardDirectory(path: out)
        let classes = shards.index.classes
        return try (0..<shards.count).map { number in
            let label = try shards.label(sample: number)
            return Sample(name: label < 0 ? "" : classes[label], pixels: try image(number, of: &shards))
        }
    }

    /// Expects that `selection` of `source` has the same samples as CIFAR-10's binary batches; with `areFilesEqual`, the same shards.
    private func expectSame(
        _ path: String, _ selection: ShardSource.Selection = .init(), in directory: String, areFilesEqual: Bool = false,
        kind: ShardSource.Kind
    ) throws {
        let binary = "\(directory)/shards-binary"
        let expected = try samples(ShardSource("\(directory)/binary", .init(within: "data_batch")), binary)
        let out = "\(directory)/shards-other"
        let source = try ShardSource(path, selection)
        #expect(source.kind == kind)
        let own = try samples(source, out)
        #expect(own.count == 40 && Set(own) == Set(expected), "\(path)")
        #expect(try ShardIndex.load(directory: out).classes == ["airplane", "automobile", "bird", "cat"], "\(path)")
        if areFilesEqual {
            for name in try names(in: binary) where name.hasSuffix(".h5") {
                #expect(FileManager.default.contentsEqual(atPath: "\(binary)/\(name)", andPath: "\(out)/\(name)"))
            }
        }
        // What is damaged is made again from the same source.
        try write([1], to: "\(out)/shard-00001.h5")
        let verifier = try ShardVerifier(path: out)
        var again = selection
        again.within = verifier.index.recipe?.source.within
        again.classes = verifier.index.classes
        let repaired = try verifier.repair(verifier.problems(), from: ShardSource(path, again))
        #expect(repaired == ["shard-00001.h5"] && verifier.problems().isEmpty)
        try FileManager.default.removeItem(atPath: out)
        try FileManager.default.removeItem(atPath: binary)
    }

    @Test(.enabled(if: hasPython, setupHint)) func filesOfCIFARInOtherForms() throws {
        try withTemporaryDirectory { directory in
            try makeSources("binary", "pickles", "folder", "zips", in: directory)
            try expectSame(
                "\(directory)/pickles", .init(within: "data_batch"), in: directory, areFilesEqual: true, kind: .cifar10)
            let tar = "\(directory)/pickles.tar.gz"
            try run("tar", "-C", directory, "-czf", tar, "pickles")
            try expectSame(tar, .init(within: "data_batch"), in: directory, areFilesEqual: true, kind: .cifar10)
            try expectSame("\(directory)/folder", in: directory, areFilesEqual: true, kind: .folder)
            for form in ["deflated", "stored"] {
                let zip = "\(directory)/zips/\(form).zip"
                try expectSame(zip, in: directory, areFilesEqual: true, kind: .zip)
                try expectSame(zip, .init(within: "cifar/train"), in: directory, areFilesEqual: true, kind: .zip)
                #expect(try ShardSource(zip).passedOver[.hidden] == 1)
            }
        }
    }

    @Test(.enabled(if: hasPython, setupHint)) func arraysOfNumPy() throws {
        try withTemporaryDirectory { directory in
            try makeSources("binary", "arrays", in: directory)
            let (path, names) = ("\(directory)/arrays", "\(directory)/arrays/names.txt")
            try expectSame("\(path)/one.npz", .init(labelNames: names), in: directory, kind: .numpy)
            try expectSame(
                "\(path)/parts.npz", .init(within: "x_train", labelNames: names), in: directory, kind: .numpy)
            try expectSame(
                "\(path)/images.npy", .init(labels: "\(path)/labels.npy", labelNames: names), in: directory,
                kind: .numpy)
            try expectSame(
                "\(path)/images.npy", .init(labels: "\(path)/texts.npy"), in: directory, kind: .numpy)
            // Without names, numbers are the names; without labels there are no classes.
            #expect(try ShardSource("\(path)/one.npz").classes == ["0", "1", "2", "3"])
            let bare = try ShardSource("\(path)/images.npy")
            #expect(bare.classes.isEmpty && bare.items.allSatisfy { $0.label == -1 })
            #expect(bare.key(of: bare.items[7]) == "images-00007")
            let several = try failure { _ = try ShardSource("\(path)/parts.npz") }
            #expect(several.problem.contains("several arrays: x_test, x_train"))
            let labels = try failure { _ = try ShardSource("\(path)/labels.npy") }
            #expect(labels.problem.contains("no array of images"))
        }
    }

    @Test(.enabled(if: hasPython, setupHint)) func arraysOfMNIST() throws {
        try withTemporaryDirectory { directory in
            try makeSources("mnist", in: directory)
            let path = "\(directory)/mnist"
            #expect(try failure { _ = try ShardSource(path) }.hint.contains("--within t10k or --within train"))
            let published = try samples(ShardSource(path, .init(within: "train")), "\(directory)/published")
            let numpy = try ShardSource("\(path)/train.npy", .init(labels: "\(path)/train-labels.npy"))
            #expect(try Set(published) == Set(samples(numpy, "\(directory)/numpy")) && published.count == 20)
            let file = try ShardSource("\(path)/t10k-images-idx3-ubyte.gz")
            #expect(file.kind == .idx && file.items.count == 10 && file.classes == ["0", "1", "2", "3"])
            #expect(file.key(of: file.items[0]).hasPrefix("0/t10k-0000"))
        }
    }

    @Test(.enabled(if: hasPython, setupHint)) func bothFormsOfCIFAR100() throws {
        try withTemporaryDirectory { directory in
            try makeSources("cifar100", in: directory)
            let forms = try ["binary", "python"].map { form in
                let source = try ShardSource("\(directory)/cifar100/\(form)", .init(within: "train"))
                #expect(source.kind == .cifar100 && source.classes == ["apple", "bear", "cod", "daisy"])
                return try samples(source, "\(directory)/\(form)")
            }
            #expect(forms[0] == forms[1] && forms[0].count == 20)
            let mixed = try failure { _ = try ShardSource("\(directory)/cifar100/python") }
            #expect(mixed.hint.contains("--within train or --within test"))
        }
    }

    @Test(.enabled(if: hasParquet, setupHint)) func tablesOfHuggingFace() throws {
        try withTemporaryDirectory { directory in
            try makeSources("binary", "parquet", in: directory)
            let path = "\(directory)/parquet"
            let forms = try names(in: path).filter { !$0.hasSuffix(".parquet") }
            #expect(forms.count == 8)
            for form in forms {
                try expectSame("\(path)/\(form)", .init(within: "train"), in: directory, kind: .parquet)
            }
            let mixed = try failure { _ = try ShardSource("\(path)/\(forms[0])") }
            #expect(mixed.problem.contains("parts test, train"))
            let texts = try ShardSource("\(path)/texts.parquet", .init(labelField: "kind"))
            #expect(texts.classes == ["airplane", "automobile", "bird", "cat"])
            #expect(texts.items.count == 40 && texts.items.count { $0.label == -1 } == 1)
            let summary = try Sharding.run(source: texts, output: "\(directory)/texts", options: smallOptions())
            #expect(summary.images == 39 && summary.skipped == 1)
            let none = try failure { _ = try ShardSource("\(path)/texts.parquet", .init(labelField: "size")) }
            #expect(none.problem.contains("no column size") && none.hint.contains("kind"))
        }
    }

    @Test(.enabled(if: hasWebDataset, setupHint)) func archivesOfSamples() throws {
        try withTemporaryDirectory { directory in
            try makeSources("binary", "samples", "arrays", in: directory)
            let names = "\(directory)/arrays/names.txt"
            let path = "\(directory)/samples"
            try expectSame("\(path)/cls", .init(labelNames: names), in: directory, kind: .webDataset)
            try expectSame(
                "\(path)/json/train-{0000..0001}.tar", .init(labelNames: names), in: directory, kind: .webDataset)
            try expectSame("\(path)/text", .init(labelField: "kind"), in: directory, kind: .webDataset)
            let one = try ShardSource("\(path)/cls/train-0001.tar")
            #expect(one.kind == .webDataset && one.items.count == 20 && one.classes == ["0", "1", "2", "3"])
            #expect(one.key(of: one.items[0]).hasPrefix("0/train-0001/0000") && one.passedOver[.withoutImage] == 1)
            let both = try ShardSource(["\(path)/cls/train-0001.tar", "\(path)/cls/train-0000.tar"])
            #expect(both.items.count == 40)
            #expect(try ShardSource("\(path)/text").classes.isEmpty)
            let field = try failure { _ = try ShardSource("\(path)/json", .init(labelField: "none")) }
            #expect(field.problem.contains("label field none"))
        }
    }
}
