import Foundation
import TestSupport
import Testing

/// What a resumed run has to have in common with the one before, beyond its options.
@Suite(.serialized) struct ResumedDataTests {
    private func run(_ path: String, _ more: [String]) throws -> CommandResult {
        try crate(["pretrain", "--resume", "--run", "\(path)/run"] + more)
    }

    @Test func otherShardsOfTheSameNumberAreRefused() throws {
        try withShards(train: 32, validation: 12) { path in
            let manager = FileManager.default
            func shard(_ name: String, images: Int, seed: Int) throws {
                let images = ["--images", "\(images)", "--classes", "4", "--image-size", "40", "--seed", "\(seed)"]
                try succeed(["synthesize", "\(path)/\(name)-images"] + images)
                try succeed([
                    "shard", "\(path)/\(name)-images", "\(path)/\(name)", "--image-size", "40", "--patch-size", "8",
                    "--shard-size", "40",
                ])
            }
            try shard("new", images: 32, seed: 9)
            try shard("newval", images: 12, seed: 9)
            let validation = ["--validation", "\(path)/val"]
            try succeed(pretrainArguments(path, run: "run", ["--steps", "2", "--save-every", "1steps"] + validation))

            let other = try run(path, ["--data", "\(path)/new", "--steps", "3"])
            #expect(other.status == 1 && other.failureLines.count == 1)
            #expect(other.errors.contains("was trained on other shards"), "\(other.errors)")
            // In place.
            try manager.moveItem(atPath: "\(path)/train", toPath: "\(path)/moved")
            try manager.moveItem(atPath: "\(path)/new", toPath: "\(path)/train")
            #expect(try run(path, ["--steps", "3"]).errors.contains("was trained on other shards"))
            // The same shards elsewhere are the same.
            let moved = try run(path, ["--data", "\(path)/moved", "--steps", "3"])
            #expect(moved.status == 0 && !moved.output.contains("shards"), "\(moved.errors)\(moved.output)")
            // Validation shards may change, and it is told.
            let judged = try run(path, ["--validation", "\(path)/newval", "--steps", "4"])
            #expect(judged.status == 0, "\(judged.errors)")
            #expect(judged.output.contains("warning: the validation data are others than before"))
        }
    }

    /// A run of a version that stored no checksums goes on, and a line says that they cannot be compared. From then on it has them.
    @Test func runsWithoutChecksumsAreToldOf() throws {
        try withShards(train: 32, validation: 12) { path in
            try succeed(pretrainArguments(path, run: "run", ["--steps", "2"]))
            let file = URL(fileURLWithPath: "\(path)/run/config.json")
            var stored = try #require(
                try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
            var resolved = try #require(stored["resolved"] as? [String: String])
            #expect(resolved.removeValue(forKey: "training-shards")?.count == 8)
            stored["resolved"] = resolved
            try JSONSerialization.data(withJSONObject: stored).write(to: file)
            for (steps, isTold) in [("3", true), ("4", false)] {
                let resumed = try run(path, ["--steps", steps])
                #expect(resumed.status == 0, "\(resumed.errors)")
                #expect(resumed.output.contains("did not store which shards") == isTold, "\(resumed.output)")
            }
        }
    }

    /// Another length stretches the schedule, so that the rate jumps.
    @Test func changeOfTheLearningRateIsTold() throws {
        try withShards(train: 32, validation: 12) { path in
            try succeed(pretrainArguments(path, run: "run", ["--epochs", "2", "--warmup-epochs", "0"]))
            let longer = try run(path, ["--epochs", "4", "--stop-after", "5"])
            #expect(longer.status == 0, "\(longer.errors)")
            let rates = try logged("lr", "\(path)/run")
            try #require(rates.count == 5)
            #expect(rates[4] > 2 * rates[3])
            let text = String(format: "from %.2e in step 4 to %.2e in step 5", rates[3], rates[4])
            #expect(
                longer.output.contains(
                    "warning: epochs was 2 and is now 4: 8 steps instead of 4; the learning rate goes \(text); the run"),
                "\(longer.output)")
            let steps = try run(path, ["--steps", "9", "--stop-after", "6"])
            #expect(
                steps.output.contains("warning: steps was 8 and is now 9; the learning rate goes"), "\(steps.output)")
            #expect(!(try run(path, ["--stop-after", "7"]).output.contains("learning rate goes")))
        }
    }
}
