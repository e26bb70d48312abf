import Base
import Foundation

package struct ManifestFile: Codable, Equatable, Sendable {
    @Count package private(set) var bytes: Int
    /// CRC-32.
    package let checksum: UInt32

    init(bytes: Int, checksum: UInt32) {
        _bytes = Count(wrappedValue: bytes)
        self.checksum = checksum
    }
}

extension ManifestFile {
    fileprivate init(of path: String) throws {
        let (bytes, checksum) = try Checksum.ofFile(path)
        self.init(bytes: bytes, checksum: checksum)
    }
}

/// `manifest.json` of a checkpoint. Written last, so a directory that contains it is complete.
package struct Manifest: Codable, Equatable, Sendable {
    package let formatVersion: Int
    /// Optimiser steps done.
    @Count package private(set) var step: Int
    /// Samples consumed since the start of the run, over all epochs.
    @Count package private(set) var samples: Int
    /// By name; the model and the optimizer are among them.
    package let files: [String: ManifestFile]
    /// CRC-32 of this manifest's JSON (sorted keys, no spaces) with 0 in this field.
    package private(set) var checksum: UInt32

    static let fileName = "manifest.json"
    static let currentVersion = 2

    init(step: Int, samples: Int, files: [String: ManifestFile]) throws {
        formatVersion = Self.currentVersion
        _step = Count(wrappedValue: step)
        _samples = Count(wrappedValue: samples)
        self.files = files
        checksum = 0
        checksum = try Checksum(of: json).value
    }

    var json: [UInt8] {
        get throws {
            [UInt8](try encoded(self).utf8)
        }
    }

    /// Reads the manifest of the checkpoint at `directory` and checks every file against it. Throws `Failure` naming
    /// the file that is missing, truncated or changed.
    package static func verified(in directory: String) throws -> Manifest {
        let manifest = try read(in: directory)
        for (name, expected) in manifest.files.sorted(by: { $0.key < $1.key }) {
            guard try ManifestFile(of: "\(directory)/\(name)") == expected else {
                throw Failure("\(directory)/\(name) is damaged", hint: "use another checkpoint")
            }
        }
        return manifest
    }

    /// Reads the manifest of the checkpoint at `directory` without checking the files. Throws `Failure` if it is
    /// missing, corrupt or of another version.
    package static func read(in directory: String) throws -> Manifest {
        let path = "\(directory)/\(fileName)"
        guard access(path, F_OK) == 0 else {
            throw Failure("\(directory) has no \(fileName)", hint: "give a complete checkpoint directory")
        }
        let data = Data(try RegularFile.contents(of: path, limit: 1 << 20))
        // Another version may have other fields: report the version, not a missing field.
        let version = (try? JSONDecoder().decode(VersionOnly.self, from: data))?.formatVersion
        if let version, version != currentVersion {
            throw Failure(
                "\(path) has format version \(version), this program reads \(currentVersion)",
                hint: "use the version of crate that wrote it")
        }
        guard let manifest = try? JSONDecoder().decode(Manifest.self, from: data),
            manifest.files.keys.allSatisfy(PlainName.isPlain),
            [CheckpointStore.modelFile, CheckpointStore.optimizerFile].allSatisfy({ manifest.files[$0] != nil }),
            try manifest == Manifest(step: manifest.step, samples: manifest.samples, files: manifest.files)
        else {
            throw Failure("\(path) is damaged", hint: "use another checkpoint")
        }
        return manifest
    }

    private struct VersionOnly: Codable {
        let formatVersion: Int
    }
}
