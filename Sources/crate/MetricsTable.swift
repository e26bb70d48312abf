import Analysis
import Base
import Foundation

/// The metrics of one or several checkpoints as tables and CSV.
struct MetricsTable {
    private let measurements: [LayerMeasurement]

    init(_ measurements: [LayerMeasurement]) {
        self.measurements = measurements
    }

    /// A metric's name, and its value in a block.
    private typealias Column = (name: String, value: (LayerMeasurement, Int) -> Spread?)

    private var columns: [Column] {
        var columns: [Column] = EncoderMetric.allCases.map { metric in
            (metric.rawValue, { $1 < $0.encoder.count ? $0.encoder[$1][metric] : nil })
        }
        columns.append(("decoder_discrepancy", { $1 < $0.decoder.count ? $0.decoder[$1].discrepancy : nil }))
        return columns
    }

    /// For one checkpoint a row per block and a column per metric; for several a table per metric and a column per checkpoint.
    func print() {
        for (index, measurement) in measurements.enumerated() {
            let step = measurement.step.map { ", step \($0)" } ?? ""
            printLine("[\(index + 1)] \(measurement.file ?? "")\(step), \(counted(measurement.images, "image"))")
        }
        let columns = columns
        if measurements.count == 1 {
            // Two tables, to fit a screen.
            for part in [columns[..<5], columns[5...]] {
                printTable("", part.map { column in (column.name, { column.value(measurements[0], $0) }) })
            }
        } else {
            for column in columns {
                printTable(
                    column.name,
                    measurements.indices.map { index in ("[\(index + 1)]", { column.value(measurements[index], $0) }) })
            }
        }
    }

    private func printTable(_ title: String, _ columns: [(name: String, value: (Int) -> Spread?)]) {
        let blocks = measurements.map { max($0.encoder.count, $0.decoder.count) }.max() ?? 0
        let lines =
            [["block"] + columns.map(\.name)]
            + (0..<blocks).map { block in ["\(block + 1)"] + columns.map { text($0.value(block)) } }
        let widths = (0...columns.count).map { column in lines.map { $0[column].count }.max() ?? 0 }
        printLine("")
        if !title.isEmpty { printLine(title) }
        for line in lines {
            let cells = zip(line, widths).map { String(repeating: " ", count: $1 - $0.count) + $0 }
            printLine(cells.joined(separator: "  "))
        }
    }

    private func text(_ value: Spread?) -> String {
        guard let value else { return "-" }
        return value.std == 0
            ? String(format: "%.4g", value.mean) : String(format: "%.4g +- %.2g", value.mean, value.std)
    }

    /// A line per checkpoint and block: file, step, images, block (from 1), and mean and deviation of each metric.
    var csv: String {
        let columns = columns
        let numbers = Set(EncoderMetric.ofWeights.map(\.rawValue))
        var lines = [
            (["file", "step", "images", "block"]
                + columns.flatMap { numbers.contains($0.name) ? [$0.name] : ["\($0.name)_mean", "\($0.name)_std"] })
        ]
        for measurement in measurements {
            for block in 0..<max(measurement.encoder.count, measurement.decoder.count) {
                let file = (measurement.file ?? "").replacingOccurrences(of: "\"", with: "\"\"")
                lines.append(
                    ["\"\(file)\"", measurement.step.map(String.init) ?? "", "\(measurement.images)", "\(block + 1)"]
                        + columns.flatMap { column in
                            let value = column.value(measurement, block)
                            let texts = [value?.mean, value?.std].map { $0.map { "\($0)" } ?? "" }
                            return numbers.contains(column.name) ? [texts[0]] : texts
                        })
            }
        }
        return lines.map { $0.joined(separator: ",") + "\n" }.joined()
    }
}
