import Base
import Foundation

/// A run of a page that compares several.
struct ComparedRun {
    /// As it was given.
    let path: String
    /// The shortest end of its path that no other run of the page has.
    let name: String
    let record: RunRecord

    /// Reads the runs at `paths`. Throws `Failure` if one is no run, or given twice.
    static func read(_ paths: [String]) throws -> [ComparedRun] {
        let records = try paths.map(RunRecord.init)
        var known: [String: String] = [:]
        for path in paths {
            let place = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
            if let other = known.updateValue(path, forKey: place) {
                throw Failure(
                    "\(path) is given twice" + (other == path ? "" : ": it is the same run as \(other)"),
                    hint: "give each run once")
            }
        }
        return zip(zip(paths, shortNames(paths)), records).map { ComparedRun(path: $0.0, name: $0.1, record: $1) }
    }

    /// For each of `paths`, which are all different, its last components, as many as it takes to tell it from the others.
    private static func shortNames(_ paths: [String]) -> [String] {
        let components = paths.map { URL(fileURLWithPath: $0).standardizedFileURL.pathComponents }
        return components.map { own in
            let count = (1..<own.count).first { count in
                components.filter { $0.suffix(count) == own.suffix(count) }.count == 1
            }
            return NSString.path(withComponents: Array(own.suffix(count ?? own.count)))
        }
    }

    /// What its loss measures, which only the losses of the same can be compared with; nil if unknown.
    var objective: String? {
        guard let settings = record.settings, !settings.resolved.isEmpty else { return nil }
        if settings.resolved["classes"] != nil { return "classification" }
        return settings.resolved["norm-pix"] == "true" ? "reconstruction, normalised" : "reconstruction"
    }
}

/// What the page's script needs to place the steps of a run on another axis.
struct RunPlaces: Encodable {
    private static let pointLimit = 500

    let name: String
    let imagesPerStep: Int?
    /// Steps, beginning with 0, and the seconds of training until each was done; none if the log has no times.
    private(set) var steps: [Int] = []
    private(set) var seconds: [Double?] = []

    init(_ run: ComparedRun) {
        name = run.name
        imagesPerStep = run.record.imagesPerStep
        let table = run.record.history.table
        let all = table.trainingSeconds
        guard let total = all.last, total.isFinite, total > 0 else { return }
        // Steps take nearly the same time, so the script may interpolate.
        let stride = all.count / Self.pointLimit + 1
        let rows = all.indices.filter { $0 % stride == 0 || $0 == all.count - 1 }
        steps = [0] + rows.map { table.steps[$0] }
        seconds = [0] + shown(rows.map { all[$0] })
    }
}

extension StepTable {
    /// Seconds of training until each row: of reading, computing and communicating on rank 0, without pauses, evaluations and
    /// checkpoints. Steps that the log lacks count like the next one that it has; empty if it has no times.
    fileprivate var trainingSeconds: [Double] {
        let parts = [column(.dataSeconds), column(.computeSeconds), column(.communicationSeconds)]
        let ofRows = steps.indices.map { row in
            let known = parts.map { $0[row] }.filter { $0.isFinite && $0 >= 0 }
            return known.isEmpty ? nil : known.reduce(0, +)
        }
        guard var pace = ofRows.compactMap(\.self).first else { return [] }
        var (done, total) = (0, 0.0)
        return zip(steps, ofRows).map { step, seconds in
            pace = seconds ?? pace
            total += Double(step - done) * pace
            done = step
            return total
        }
    }
}
