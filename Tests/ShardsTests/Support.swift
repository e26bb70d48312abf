import Base
import Foundation
import Images
import Shards
import TestSupport
import Testing

func write(_ bytes: [UInt8], to path: String) throws {
    let directory = (path as NSString).deletingLastPathComponent
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    try Data(bytes).write(to: URL(fileURLWithPath: path))
}

/// Three classes of three synthetic PNG images of 32 pixels, so that sharding is lossless.
func makeSource(_ path: String) throws -> [Image] {
    var images: [Image] = []
    for label in 0..<3 {
        for number in 0..<3 {
            let image = try Drawing.image(number: 3 * label + number, label: label, side: 32, seed: 4)
            try #require(image.pixels.count == 3072)
            try write(PNGEncoder.encode(image), to: "\(path)/\(["ape", "bee", "cow"][label])/\(number).png")
            images.append(image)
        }
    }
    return images
}

/// Shards `source` into `output` as images of 32 pixels with patches of 8, four per file.
@discardableResult
func shard(_ source: String, to output: String, isStrict: Bool = false) throws -> Sharding.Summary {
    try Sharding.run(
        source: ShardSource(source), output: output,
        options: ShardingOptions(.patches(PatchGrid(imageSize: 32, patchSize: 8)), shardSize: 4, isStrict: isStrict))
}

/// The image of a sample in a directory created by `shard(_:to:)`.
func image(_ sample: Int, of directory: inout ShardDirectory) throws -> [UInt8] {
    let grid = try directory.index.grid()
    let (reader, row) = try directory.reader(of: sample)
    let patches = try reader.bytes(of: row)
    var pixels = patches
    grid.unpatchify(patches, into: &pixels)
    return pixels
}

/// Changes the JSON object in `directory/index.json`, and removes its checksum.
func editIndex(of directory: String, _ edit: (inout [String: Any]) throws -> Void) throws {
    let url = URL(fileURLWithPath: directory + "/index.json")
    var object = try #require(JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any])
    object["indexChecksum"] = nil
    try edit(&object)
    try JSONSerialization.data(withJSONObject: object).write(to: url)
}

/// Changes the entry of the shard `number` in `directory/index.json`.
func editShard(_ number: Int, of directory: String, _ edit: (inout [String: Any]) -> Void) throws {
    try editIndex(of: directory) { index in
        var shards = index["shards"] as? [[String: Any]] ?? []
        try #require(shards.indices.contains(number))
        edit(&shards[number])
        index["shards"] = shards
    }
}

/// The failure that `body` throws; the test fails if it throws none.
func failure(of body: () throws -> Void) throws -> Failure {
    try #require(#expect(throws: Failure.self) { try body() })
}

/// Runs a command found in PATH; the test fails if the command fails.
func run(_ arguments: String...) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = arguments
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0, "\(arguments)")
}

/// Options for images of 32 pixels with patches of 8, four per file.
func smallOptions(jobs: Int = 2, shuffle: UInt64? = nil) throws -> ShardingOptions {
    ShardingOptions(.patches(try PatchGrid(imageSize: 32, patchSize: 8)), shardSize: 4, shuffle: shuffle, jobs: jobs)
}

/// Calls `body` with a flat archive of images, 0.png and so on, and the directory that it is in.
func withFlatArchive(images: Int, _ body: (_ tar: String, _ directory: String) throws -> Void) throws {
    try withTemporaryDirectory { directory in
        for number in 0..<images {
            let image = try Drawing.image(number: number, label: 0, side: 32, seed: 0)
            try write(PNGEncoder.encode(image), to: "\(directory)/in/\(number).png")
        }
        try run("tar", "-C", "\(directory)/in", "-cf", "\(directory)/in.tar", ".")
        try body("\(directory)/in.tar", directory)
    }
}
