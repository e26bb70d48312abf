import Files
import Foundation

/// What the manifest says of one file.
public struct ManifestFile: Codable, Equatable, Sendable {
    /// Its size.
    public let bytes: Int
    /// Its CRC-32.
    public let checksum: UInt32
}

/// `manifest.json` of a checkpoint: written last, so that a directory that has one is complete.
public struct Manifest: Codable, Equatable, Sendable {
    /// The version of the checkpoint format.
    public let formatVersion: Int
    /// Optimiser steps done.
    public let step: Int
    /// Samples consumed since the start of the run, over all epochs.
    public let samples: Int
    /// The files by name.
    public let files: [String: ManifestFile]

    static let fileName = "manifest.json"
    static let currentVersion = 1

    /// Reads the manifest of the checkpoint at `directory` and holds every file against it.
    ///
    /// Throws `Failure` that names the file that is missing, cut short or changed.
    public static func verified(in directory: String) throws -> Manifest {
        let path = "\(directory)/\(fileName)"
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Failure("\(directory) has no \(fileName)", hint: "give a complete checkpoint directory")
        }
        guard let manifest = try? JSONDecoder().decode(Manifest.self, from: data), manifest.step >= 0 else {
            throw Failure("\(path) is damaged", hint: "use another checkpoint")
        }
        guard manifest.formatVersion == currentVersion else {
            throw Failure(
                "\(path) has format version \(manifest.formatVersion), this program reads \(currentVersion)",
                hint: "use the version of crate that wrote it")
        }
        for (name, expected) in manifest.files.sorted(by: { $0.key < $1.key }) {
            guard !name.contains("/"), try checksum(of: "\(directory)/\(name)") == expected else {
                throw Failure("\(directory)/\(name) is damaged", hint: "use another checkpoint")
            }
        }
        return manifest
    }

    private static func checksum(of path: String) throws -> ManifestFile {
        guard let handle = FileHandle(forReadingAtPath: path) else { throw systemFailure("cannot open \(path)") }
        defer { try? handle.close() }
        var (checksum, bytes) = (Checksum(), 0)
        while let piece = try handle.read(upToCount: 4 << 20), !piece.isEmpty {
            piece.withUnsafeBytes { checksum.update($0) }
            bytes += piece.count
        }
        return ManifestFile(bytes: bytes, checksum: checksum.value)
    }
}
