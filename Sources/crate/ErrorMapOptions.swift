import Analysis
import ArgumentParser
import Base
import Foundation
import Images
import Probing
import Settings

/// The options of `reconstruct --error-map`, and what it writes.
struct ErrorMapOptions: ParsableArguments {
    @Flag(help: "Instead, write maps of where the model predicts an image badly, and print a score for each.")
    var errorMap = false
    @Option(help: ArgumentHelp("How often each patch is hidden at least.", valueName: "n"))
    var rounds = 4
    @Option(
        help: ArgumentHelp(
            "Directory of masks of the anomalies, PNG, white on black, named as the images; an image without is sound.",
            valueName: "dir"))
    var masks: String?

    @Option(
        help: ArgumentHelp(
            "Shards of sound images, such as the training set, of which up to 200 say what errors are usual at a place.",
            valueName: "dir"))
    var reference: String?

    func check() throws {
        try requireCount("--rounds", rounds, upTo: 1000)
        guard errorMap || masks == nil && reference == nil else {
            throw ValidationError("--masks and --reference need --error-map.")
        }
    }

    /// Writes a sheet and the values of each image, and prints scores and, with masks, how well they separate.
    func write(
        _ source: PictureSource, of loaded: borrowing LoadedModel, maskRatio: Double?, seed: UInt64, to output: String
    ) throws {
        let directory = try OutputDirectory(output)
        defer { directory.remove() }
        let masks = try masks.map { try AnomalyMasks($0) }
        let (side, digits) = (loaded.model.configuration.imageSize, "\(source.count)".count)
        var (source, detection) = (source, AnomalyDetection())
        let usual = try reference.map { try usualErrors($0, of: loaded, maskRatio: maskRatio, seed: seed) }
        try forEachMap(of: &source, by: loaded, maskRatio: maskRatio, seed: seed) { position, entry, map in
            let map = usual?.standardised(map) ?? map
            if let masks {
                detection.add(map, anomaly: try masks.anomaly(in: entry.picture, at: entry.path, side: side))
            }
            let name = "\(zeroPadded(position + 1, to: digits))-\(entry.picture.name)"
            let path = directory.file(name + ".png")
            try DurableFile.write(try PNGEncoder.encode(try map.sheet()), to: path)
            try DurableFile.write(map.numPyFile, to: directory.file(name + ".npy"))
            printLine("\(path): \(entry.path), score \(decimals(Double(map.score)))")
        }
        guard masks != nil else { return }
        let areas = try detection.areas()
        printLine("area under the ROC curve of \(counted(source.count, "image")): \(text(areas.images, "images"))")
        printLine("area under the ROC curve of their pixels: \(text(areas.pixels, "pixels"))")
    }

    private func usualErrors(
        _ shards: String, of loaded: borrowing LoadedModel, maskRatio: Double?, seed: UInt64
    ) throws -> UsualErrors {
        var source = try PictureSource(images: [], data: shards, samples: 200)
        var usual = UsualErrors()
        try forEachMap(of: &source, by: loaded, maskRatio: maskRatio, seed: seed) { _, _, map in usual.add(map) }
        return usual
    }

    /// Four pictures at a time, which bounds the memory of decoded images.
    private func forEachMap(
        of source: inout PictureSource, by loaded: borrowing LoadedModel, maskRatio: Double?, seed: UInt64,
        _ body: (Int, (picture: Picture, path: String), AnomalyMap) throws -> Void
    ) throws {
        let configuration = loaded.model.configuration
        for first in stride(from: 0, to: source.count, by: 4) {
            var entries: [(picture: Picture, path: String)] = []
            for position in first..<min(source.count, first + 4) {
                entries.append(
                    try source.picture(position, as: loaded.pixelFormat, side: configuration.imageSize))
            }
            let maps = try loaded.errorMaps(
                of: entries.map(\.picture), rounds: rounds, maskRatio: maskRatio, seed: seed)
            for (index, (entry, errors)) in zip(entries, maps).enumerated() {
                try body(first + index, entry, AnomalyMap(errors, patchSize: configuration.patchSize))
            }
        }
    }

    private func text(_ area: AreaUnderCurve, _ unit: String) -> String {
        let interval = area.interval.map { ", 95% interval \(decimals($0.lowerBound)) to \(decimals($0.upperBound))" }
        return
            "\(decimals(area.value))\(interval ?? ""), \(area.positives) \(unit) with an anomaly, \(area.negatives) without"
    }

    private func decimals(_ value: Double) -> String { String(format: "%.4f", value) }
}
