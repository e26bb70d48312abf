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
    var rounds = 8
    @Option(
        help: ArgumentHelp(
            "Directory of masks of the anomalies, PNG, white on black, named as the images; an image without is sound.",
            valueName: "dir"))
    var masks: String?

    func check() throws {
        try requireCount("--rounds", rounds, upTo: 1000)
        guard errorMap || masks == nil else { throw ValidationError("--masks needs --error-map.") }
    }

    /// Writes a sheet and the values of each image, and prints scores and, with masks, how well they separate.
    func write(
        _ source: PictureSource, of loaded: borrowing LoadedModel, maskRatio: Double?, seed: UInt64, to output: String
    ) throws {
        let directory = try OutputDirectory(output)
        defer { directory.remove() }
        let masks = try masks.map { try AnomalyMasks($0) }
        let configuration = loaded.model.configuration
        let (side, digits) = (configuration.imageSize, "\(source.count)".count)
        var (source, detection) = (source, AnomalyDetection())
        // Pictures at a time: bounds the memory of decoded images.
        for first in stride(from: 0, to: source.count, by: 4) {
            let entries = try (first..<min(source.count, first + 4)).map {
                try source.picture($0, as: loaded.pixelFormat, side: side)
            }
            let maps = try loaded.errorMaps(
                of: entries.map(\.picture), rounds: rounds, maskRatio: maskRatio, seed: seed)
            for (index, (entry, errors)) in zip(entries, maps).enumerated() {
                let map = AnomalyMap(errors, patchSize: configuration.patchSize)
                if let masks {
                    let anomaly = try masks.anomaly(in: entry.picture, at: entry.path, side: side)
                    detection.add(map, anomaly: anomaly)
                }
                let name = "\(zeroPadded(first + index + 1, to: digits))-\(entry.picture.name)"
                let path = directory.file(name + ".png")
                try DurableFile.write(try PNGEncoder.encode(try map.sheet()), to: path)
                try DurableFile.write(map.numPyFile, to: directory.file(name + ".npy"))
                printLine("\(path): \(entry.path), score \(decimals(Double(map.score)))")
            }
        }
        guard masks != nil else { return }
        let areas = try detection.areas()
        printLine("area under the ROC curve of \(counted(source.count, "image")): \(text(areas.images, "images"))")
        printLine("area under the ROC curve of their pixels: \(text(areas.pixels, "pixels"))")
    }

    private func text(_ area: AreaUnderCurve, _ unit: String) -> String {
        let interval = area.interval.map { ", 95% interval \(decimals($0.lowerBound)) to \(decimals($0.upperBound))" }
        return
            "\(decimals(area.value))\(interval ?? ""), \(area.positives) \(unit) with an anomaly, \(area.negatives) without"
    }

    private func decimals(_ value: Double) -> String { String(format: "%.4f", value) }
}
