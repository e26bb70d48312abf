import Foundation
import Testing

/// A directory with small versions of what the documentation assumes: the program, its scripts, and data as published.
struct DocumentedPlace {
    private let path: String
    private let files = FileManager.default

    init(_ path: String) { self.path = path }

    /// Creates what `text`, the commands of a document, refers to.
    func prepare(for text: String) throws {
        try directory("bin")
        try files.createSymbolicLink(atPath: "\(path)/bin/crate", withDestinationPath: program)
        for name in ["Launch", "Tests"] {
            try files.createSymbolicLink(
                atPath: "\(path)/\(name)", withDestinationPath: "\(Documentation.root)/\(name)")
        }
        for name in ["Datasets", "Checkpoints", "shards", "runs"] { try directory(name) }
        let fixtures: [(String, () throws -> Void)] = [
            ("imagenet/train", { try folder("imagenet") }), ("SOURCE", { try images("SOURCE") }),
            (
                "photo.jpg",
                {
                    try images("photos")
                    try shell("cp photos/class-00/00000.jpg photo.jpg")
                }
            ),
            ("--hosts hosts", { try write("\(ProcessInfo.processInfo.hostName) slots=1\n", "hosts") }),
            ("ILSVRC2012_img_train.tar", ilsvrc), ("cifar-10-binary.tar.gz", cifar10), (" DIR", { try run("DIR") }),
            ("Launch/configs/imagenet", { try shards("Datasets/imagenet", []) }),
            (
                "Launch/configs/cifar10",
                { try shards("Datasets/cifar10", ["--image-size", "32", "--patch-size", "4"]) }
            ),
        ]
        for (name, make) in fixtures where text.contains(name) { try make() }
    }

    private func directory(_ name: String) throws {
        try files.createDirectory(atPath: "\(path)/\(name)", withIntermediateDirectories: true)
    }

    private func write(_ text: String, _ name: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/\(name)"))
    }

    private func requireThat(_ result: CommandResult) throws { try #require(result.status == 0, "\(result.errors)") }

    private func shell(_ script: String) throws {
        try requireThat(CommandTests.run(["bash", "-c", "set -e; cd '\(path)'; \(script)"]))
    }

    /// A folder with one directory per class.
    private func images(_ name: String) throws {
        try requireThat(
            crate(["synthesize", "\(path)/\(name)", "--images", "16", "--classes", "2", "--image-size", "40"]))
    }

    private func folder(_ name: String) throws {
        try directory(name)
        for part in ["train", "val"] { try images("\(name)/\(part)") }
    }

    private func shards(_ name: String, _ options: [String]) throws {
        try folder("\(name)-images")
        try directory(name)
        for part in ["train", "val"] {
            try requireThat(crate(["shard", "\(path)/\(name)-images/\(part)", "\(path)/\(name)/\(part)"] + options))
        }
    }

    /// A run with a checkpoint.
    private func run(_ name: String) throws {
        try shards("\(name)-shards", ["--image-size", "32", "--patch-size", "8"])
        try requireThat(
            crate([
                "pretrain", "--data", "\(path)/\(name)-shards/train", "--run", "\(path)/\(name)", "--dim", "16",
                "--depth",
                "1", "--heads", "2", "--image-size", "32", "--patch-size", "8", "--batch-size", "8", "--steps", "2",
            ]))
    }

    /// The three files of ILSVRC2012, and the names from its devkit.
    private func ilsvrc() throws {
        try folder("ilsvrc")
        try shell(
            """
            cd ilsvrc
            for class in train/*; do tar -cf $(basename $class).tar -C $class .; done
            tar -cf ../ILSVRC2012_img_train.tar class-*.tar
            for file in val/class-00/*; do mv $file ILSVRC2012_val_0$(basename $file .jpg).JPEG; done
            tar -cf ../ILSVRC2012_img_val.tar ILSVRC2012_val_*.JPEG
            mkdir -p ILSVRC2012_devkit_t12/data
            for file in ILSVRC2012_val_*; do echo 2; done > ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt
            tar -czf ../ILSVRC2012_devkit_t12.tar.gz ILSVRC2012_devkit_t12
            printf 'class-01\\nclass-00\\n' > ../names.txt
            cp -r train val ..
            """)
    }

    /// CIFAR-10's binary batches: per image, a label and 3,072 values.
    private func cifar10() throws {
        let batches = "cifar-10-batches-bin"
        try directory(batches)
        for name in ["data_batch_1.bin", "test_batch.bin"] {
            let bytes = (0..<16).flatMap { [UInt8($0 % 10)] + (0..<3072).map { UInt8(truncatingIfNeeded: $0) } }
            try Data(bytes).write(to: URL(fileURLWithPath: "\(path)/\(batches)/\(name)"))
        }
        try write((0..<10).map { "class\($0)\n" }.joined(), "\(batches)/batches.meta.txt")
        try shell("tar -czf cifar-10-binary.tar.gz \(batches)")
    }
}
