import Base
import Foundation
import Images

/// Writes the samples of shards as files of images again: patches as lossless images, JPEG files as they are.
package struct ShardExport {
    package enum Form: String, CaseIterable, Sendable {
        /// <class>/<name>, or files alone if the samples have no classes.
        case folder
        /// Tar archives of samples: an image, its label in `.cls`, and its label, class and key in `.json`.
        case webDataset = "webdataset"
    }

    package struct Summary: Equatable, Sendable {
        package let samples: Int
        /// Files of images, or archives.
        package let files: Int
    }

    /// A sample whose image is a file in memory.
    struct EncodedSample: Sendable {
        let number: Int
        let image: [UInt8]
        let suffix: String
        /// -1 for none.
        let label: Int
        let key: String
    }

    private let directory: ShardDirectory
    private let form: Form
    private let tarBytes: Int
    private let jobs: Int

    package var sampleCount: Int { directory.count }

    /// The samples of the shards in `path`; archives have about `tarBytes` bytes at most, unless one sample has more. `jobs` threads encode.
    ///
    /// Throws `Failure` if the shards cannot be read.
    package init(
        path: String, form: Form, tarBytes: Int = 1 << 30, jobs: Int = ProcessInfo.processInfo.activeProcessorCount
    ) throws {
        directory = try ShardDirectory(path: path, openLimit: 1)
        self.form = form
        self.tarBytes = tarBytes
        self.jobs = max(1, jobs)
    }

    /// Writes all samples to the directory `output`, new or empty. `progress` is called repeatedly with the number of samples that are written.
    ///
    /// Throws `Failure` if a sample is damaged or something cannot be written; then nothing is left. Names become those of `output` when
    /// everything is on the disk.
    package func write(to output: String, progress: (Int) -> Void = { _ in }) throws -> Summary {
        let target = try OutputDirectory(output, outside: directory.path)
        let stage = DurableFile.newPartialPath(of: target.file("export"))
        do {
            guard mkdir(stage, 0o777) == 0 else { throw systemFailure("cannot create \(stage)") }
            let files: Int
            switch form {
            case .folder:
                var writer = try FolderWriter(stage, classes: directory.index.classes)
                try forEachSample(progress) { try writer.add($0) }
                files = directory.count
            case .webDataset:
                var writer = SampleArchives(stage, classes: directory.index.classes, limit: tarBytes)
                try forEachSample(progress) { try writer.add($0) }
                files = try writer.finish()
            }
            try Self.publish(stage, as: output)
            return Summary(samples: directory.count, files: files)
        } catch {
            try? FileManager.default.removeItem(atPath: stage)
            target.remove()
            throw error
        }
    }

    /// Calls `body` with each sample in order. As many as keep all threads busy are read, and then encoded at a time.
    private func forEachSample(_ progress: (Int) -> Void, _ body: (EncodedSample) throws -> Void) throws {
        enum Stored: Sendable {
            case image(Image)
            case file([UInt8])
        }
        struct Read: Sendable {
            let number: Int
            let stored: Stored
            let label: Int
            let key: String
        }
        var directory = directory
        var block: [Read] = []
        func encodeBlock() throws {
            let encoded = concurrentMap(block, jobs: jobs) { sample in
                Result {
                    let (bytes, suffix): ([UInt8], String) =
                        switch sample.stored {
                        case .image(let image):
                            (try LosslessEncoder.encode(image), LosslessEncoder.suffix(for: image.format))
                        case .file(let bytes): (bytes, "jpg")
                        }
                    return EncodedSample(
                        number: sample.number, image: bytes, suffix: suffix, label: sample.label, key: sample.key)
                }
            }
            for sample in encoded { try body(sample.get()) }
            progress((block.last?.number ?? -1) + 1)
            block = []
        }
        var number = 0
        let isPatches = directory.index.encoding == .patches
        try directory.index.forEachSample(in: directory.path) { reader, row, key in
            block.append(
                Read(
                    number: number,
                    stored: isPatches ? .image(try directory.image(sample: number)) : .file(try reader.bytes(of: row)),
                    label: reader.label(sample: row), key: key))
            number += 1
            if block.count == 8 * jobs { try encodeBlock() }
        }
        try encodeBlock()
    }

    /// Gives what is in the directory `stage` its place in `output`, when it is on the disk.
    private static func publish(_ stage: String, as output: String) throws {
        try DurableFile.syncFileSystem(of: stage)
        let entries = try DirectoryEntries(stage)
        for name in entries.files + entries.directories {
            guard rename(FileName.path(stage, name), FileName.path(output, name)) == 0 else {
                throw systemFailure("cannot rename \(name.printable) to its place in \(output)")
            }
        }
        guard rmdir(stage) == 0 else { throw systemFailure("cannot remove \(stage)") }
        try DurableFile.sync(output)
    }
}
