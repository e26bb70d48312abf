import Base
import Diagnostics
import Foundation
import Kernels

/// A plan as text.
struct PlanTable {
    let plan: ScalingPlan
    let threads: Int
    let precision: Precision

    func print() {
        printSetup()
        printMemory()
        printStep()
        printScaling()
    }

    private func line(_ name: String, _ text: String) { printLine("\(name.padded(to: 16))  \(text)") }

    private func printSetup() {
        let step = plan.run.step
        line(
            "set-up",
            "\(counted(step.nodes, "node")), \(counted(step.ranks, "rank")) of \(counted(threads, "thread")), \(counted(step.imagesPerRank, "image")) a rank and step in "
                + "passes of \(step.microBatch), \(precision.rawValue)")
        line(
            "run",
            String(
                format: "%ld steps, %.3g days, %.3g core-hours, %.4g images/s", plan.steps, plan.run.days,
                plan.run.coreHours, plan.run.imagesPerSecond))
    }

    private func printMemory() {
        let (memory, ranks) = (plan.memoryBytes, plan.run.step.ranks / plan.run.step.nodes)
        func mebibytes(_ bytes: Int) -> String { String(format: "%10.1f MiB", Double(bytes) / 1_048_576) }
        line("memory", mebibytes(memory.total) + " a rank," + mebibytes(memory.total * ranks) + " a node")
        let kinds = [
            ("parameters", memory.parameters), ("gradients", memory.gradients), ("moments", memory.moments),
            ("activations", memory.activations), ("scratch", memory.scratch), ("read ahead", memory.readAhead),
            ("weights", memory.preparedWeights), ("tree levels", memory.treeLevels), ("messages", memory.messages),
            ("checkpoint", memory.checkpoint),
        ]
        for (kind, bytes) in kinds { line("  \(kind)", mebibytes(bytes)) }
    }

    private func printStep() {
        let step = plan.run.step
        func seconds(_ value: Double) -> String { String(format: "%10.4f s", value) }
        line("step", seconds(step.seconds))
        let parts = [
            ("passes", step.passSeconds), ("weights", step.weightSeconds), ("local sums", step.sumSeconds),
            ("optimizer", step.optimizerSeconds), ("communication", step.exposedSeconds),
        ]
        for (part, value) in parts {
            line("  \(part)", seconds(value) + String(format: "  %5.1f%%", 100 * value / step.seconds))
        }
        line("  hidden by them", seconds(step.hiddenSeconds) + "  of communication")
    }

    private func printScaling() {
        printLine("")
        let names = [
            "nodes", "ranks", "step, s", "hidden, s", "exposed, s", "images/s", "days", "core-hours", "speed-up",
        ]
        printLine(row(names))
        for run in plan.scaling {
            let step = run.step
            printLine(
                row([
                    "\(step.nodes)", "\(step.ranks)", String(format: "%.4f", step.seconds),
                    String(format: "%.4f", step.hiddenSeconds),
                    String(format: "%.4f", step.exposedSeconds), String(format: "%.1f", run.imagesPerSecond),
                    String(format: "%.2f", run.days), String(format: "%.0f", run.coreHours),
                    run.speedup.map { String(format: "%.2f", $0) } ?? "",
                ]))
        }
        let paying = counted(plan.payingNodes, "node") + (plan.payingNodes == 1 ? " pays" : " pay")
        printLine(
            "\(paying), where twice as many have to be \(ScalingPlan.payingSpeedup) times as fast: \(plan.reason)")
    }

    private func row(_ cells: [String]) -> String {
        cells.map { String(repeating: " ", count: max(0, 10 - $0.count)) + $0 }.joined(separator: "  ")
    }
}
