import Analysis
import ArgumentParser
import Base
import Foundation
import Images

/// The options of `reconstruct --error-map`, and what it writes.
struct ErrorMapOptions: ParsableArguments {
    @Flag(help: "Write maps of the reconstruction error instead, and print each image's score.")
    var errorMap = false
    @Option(help: ArgumentHelp("Of error maps: how often each patch is hidden at least.", valueName: "n"))
    var rounds = 8
    @Option(
        help: ArgumentHelp(
            "Of error maps: the masks of the anomalies, PNG, white on black, under the images' names; an image without is sound.",
            valueName: "dir"))
    var masks: String?

    func validateTogether() throws {
        guard (1...1000).contains(rounds) else { throw ValidationError("--rounds must be in 1...1000.") }
        guard errorMap || masks == nil else { throw ValidationError("--masks needs --error-map.") }
    }

    func write(
        _ source: PictureSource, of loaded: borrowing LoadedModel, maskRatio: Double?, seed: UInt64, to output: String
    ) throws {
        let directory = try OutputDirectory(output)
        defer { directory.remove() }
        var source = source
        for first in stride(from: 0, to: source.count, by: 8) {
            let entries = try (first..<min(source.count, first + 8)).map { try source.picture($0, side: loaded.model.configuration.imageSize) }
            let maps = try loaded.errorMaps(of: entries.map(\.picture), rounds: rounds, maskRatio: maskRatio, seed: seed)
            for (entry, map) in zip(entries, maps) {
                let name = entry.path.split(separator: "/").suffix(2).joined(separator: "_")
                let bytes = map.values.withUnsafeBytes { Array($0) }
                FileManager.default.createFile(atPath: directory.file(name + ".raw"), contents: Data(bytes))
            }
        }
    }
}
