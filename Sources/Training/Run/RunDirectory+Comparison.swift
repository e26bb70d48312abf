import Base
import Checkpoints
import Foundation

// Whether a run that is resumed is still the same one.

extension RunDirectory {
    /// Throws `Failure` if the stored run has another configuration or other training data than one with the options `given`. Changes that
    /// are allowed are passed to `report`, with what they do to the learning rate of the step after `step`.
    func requireComparable(
        _ configuration: TrainingConfiguration, _ given: RunSettings, _ data: RunData, after step: Int,
        report: (Failure) -> Void
    ) throws {
        let stored = try RunSettings.read(run: path)
        let (before, now) = (try fields(of: stored), try configuration.fields)
        let names = Set(before.keys).union(now.keys).subtracting([RunData.training, RunData.validation])
            .filter { before[$0] != now[$0] }.sorted()
        func text(_ names: [String]) -> String {
            names.map { name in
                let options = name == "steps" ? [stored?.options, given.options] : []
                let epochs = options.compactMap { $0?["epochs"] }
                let (old, new) = (before[name] ?? "absent", now[name] ?? "absent")
                return epochs.count == 2 && epochs[0] != epochs[1]
                    ? "epochs was \(epochs[0]) and is now \(epochs[1]): \(new) steps instead of \(old)"
                    : "\(name) was \(old) and is now \(new)"
            }.joined(separator: ", ")
        }
        let refused = names.filter { !TrainingConfiguration.changeable.contains($0) }
        guard refused.isEmpty else {
            throw Failure(
                "the run in \(path) has another configuration: \(text(refused))",
                hint: "resume with the options it was started with, or change --run")
        }
        try requireSameData(data, before, report: report)
        guard !names.isEmpty else { return }
        let jump = LearningRate(fields: before)?.jump(to: configuration.schedule, after: step)
        report(Failure(text(names) + (jump.map { "; \($0)" } ?? ""), hint: "the run goes on with it"))
    }

    /// Other training shards are another run. Validation shards may change, which is reported; so is a run that has not stored which shards
    /// it had.
    private func requireSameData(_ data: RunData, _ before: [String: String], report: (Failure) -> Void) throws {
        guard let training = before[RunData.training] else {
            report(
                Failure(
                    "the run in \(path) was begun by a version that did not store which shards it was trained on",
                    hint: "make sure that they are the same"))
            return
        }
        guard training == data.fields[RunData.training] else {
            throw Failure(
                "the run in \(path) was trained on other shards: the checksum of their index is \(training), and that of "
                    + "--data \(data.fields[RunData.training] ?? "")",
                hint: "give the shards that it began with, or begin a new --run, such as with crate import")
        }
        let (old, new) = (before[RunData.validation], data.fields[RunData.validation])
        guard let old, let new, old != new else { return }
        report(
            Failure(
                "the validation data are others than before: the checksum of their index was \(old) and is now \(new)",
                hint: "losses from here on do not compare with those before"))
    }

    /// The resolved settings of a stored run; runs of version 0.1 stored a configuration instead.
    private func fields(of stored: RunSettings?) throws -> [String: String] {
        if let resolved = stored?.resolved, !resolved.isEmpty { return resolved }
        guard let bytes = try? RegularFile.contents(of: configurationPath),
            let configuration = try? JSONDecoder().decode(TrainingConfiguration.self, from: Data(bytes))
        else {
            throw Failure("\(configurationPath) is damaged", hint: "restore it, or change --run")
        }
        return try configuration.fields
    }
}

extension LearningRate {
    /// Nil unless the resolved settings of a run have all of it.
    fileprivate init?(fields: [String: String]) {
        guard let peak = fields["lr"].flatMap(Double.init), let warmup = fields["warmup-steps"].flatMap({ Int($0) }),
            let total = fields["steps"].flatMap({ Int($0) })
        else { return nil }
        self.init(peak: peak, warmupSteps: warmup, totalSteps: total)
    }

    /// What happens to the rate if a run goes on with the schedule `next` after `step` steps; nil if nothing does.
    fileprivate func jump(to next: LearningRate, after step: Int) -> String? {
        guard next != self, step > 0, step < next.totalSteps else { return nil }
        let (old, new) = (rate(at: step - 1), next.rate(at: step))
        return String(
            format: "the learning rate goes from %.2e in step %ld to %.2e in step %ld", old, step, new, step + 1)
    }
}
