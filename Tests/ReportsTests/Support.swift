import Foundation
import TestSupport
import Testing

/// Calls `body` with a run directory of `files`, and removes it afterwards.
func withRun<Result>(_ files: [String: String], _ body: (String) throws -> Result) throws -> Result {
    try withTemporaryDirectory { path in
        try write(files, to: path)
        return try body(path)
    }
}

/// Calls `body` with a directory of run directories, the files of each by its path, and removes it afterwards.
func withRuns<Result>(_ runs: [String: [String: String]], _ body: (String) throws -> Result) throws -> Result {
    try withTemporaryDirectory { path in
        for (run, files) in runs {
            let directory = "\(path)/\(run)"
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
            try write(files, to: directory)
        }
        return try body(path)
    }
}

private func write(_ files: [String: String], to directory: String) throws {
    for (name, text) in files { try text.write(toFile: "\(directory)/\(name)", atomically: false, encoding: .utf8) }
}

/// The JSON that a page's script finds under `id`.
func embedded(_ page: String, _ id: String) throws -> Any {
    let marker = "<script type=\"application/json\" id=\"\(id)\">"
    let json = try #require(page.components(separatedBy: marker).dropFirst().first)
        .components(separatedBy: "</script>")[0]
    return try JSONSerialization.jsonObject(with: Data(json.utf8))
}

/// The charts of a page, as its script reads them.
func charts(_ page: String) throws -> [String: [String: Any]] {
    let list = try embedded(page, "charts") as? [[String: Any]] ?? []
    let names = list.map { $0["id"] as? String ?? "" }
    try #require(Set(names).count == names.count, "names are unique")
    return Dictionary(uniqueKeysWithValues: zip(names, list))
}

/// The numbers `key` of series `index` of a chart; nil where the line has a gap.
func numbers(_ chart: [String: Any]?, _ key: String, series index: Int = 0) -> [Double?] {
    let series = (chart?["series"] as? [[String: Any]]) ?? []
    guard series.indices.contains(index) else { return [] }
    return (series[index][key] as? [Any] ?? []).map { $0 as? Double }
}

/// A log line in the trainer's format.
func stepLine(_ step: Int, loss: Double?, rank: Int = 0, more: String = "") -> String {
    let loss = loss.map { "\"grad_norm\":2,\"loss\":\($0)," } ?? "\"skipped\":true,"
    return """
        {"communication_seconds":0.01,"compute_seconds":0.2,"data_seconds":0.001,"epoch":\(Double(step) / 10),\
        "images_per_second":150,\(loss)"lr":0.0001,"slowest_compute_seconds":0.2,"slowest_data_seconds":0.001,\
        "slowest_rank":\(rank),"slowest_wait_seconds":0.01,"step":\(step)\(more)}

        """
}
