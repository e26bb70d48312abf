import Base
import Foundation

package struct ManifestFile: Codable, Equatable, Sendable {
    package let bytes: Int
    /// CRC-32.
    package let checksum: UInt32
}

extension ManifestFile {
    fileprivate init(of path: String) throws {
        (bytes, checksum) = try Checksum.ofFile(path)
    }
}

/// `manifest.json` of a checkpoint. Written last, so a directory that contains it is complete.
package struct Manifest: Codable, Equatable, Sendable {
    package let formatVersion: Int
    /// Optimiser steps done.
    package let step: Int
    /// Samples consumed since the start of the run, over all epochs.
    package let samples: Int
    package let files: [String: ManifestFile]
    /// CRC-32 of this manifest's JSON (sorted keys, no spaces) with 0 in this field.
    package private(set) var checksum: UInt32

    static let fileName = "manifest.json"
    static let currentVersion = 2

    init(step: Int, samples: Int, files: [String: ManifestFile]) throws {
        formatVersion = Self.currentVersion
        self.step = step
        self.samples = samples
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
            guard !name.contains("/"), try ManifestFile(of: "\(directory)/\(name)") == expected else {
                throw Failure("\(directory)/\(name) is damaged", hint: "use another checkpoint")
            }
        }
        return manifest
    }

    /// Reads the manifest of the checkpoint at `directory` without checking the files. Throws `Failure` if it is
    /// missing, corrupt or of another version.
    package static func read(in directory: String) throws -> Manifest {
        let path = "\(directory)/\(fileName)"
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Failure("\(directory) has no \(fileName)", hint: "give a complete checkpoint directory")
        }
        // Another version may have other fields: report the version, not a missing field.
        let version = (try? JSONDecoder().decode(VersionOnly.self, from: data))?.formatVersion
        if let version, version != currentVersion {
            throw Failure(
                "\(path) has format version \(version), this program reads \(currentVersion)",
                hint: "use the version of crate that wrote it")
        }
        guard let manifest = try? JSONDecoder().decode(Manifest.self, from: data), manifest.step >= 0,
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
