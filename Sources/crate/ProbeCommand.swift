import Analysis
import ArgumentParser
import Foundation
import Probing
import Settings
import Training

struct ProbeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Measure how well the encoder's features separate classes, alone or under mpirun.",
        discussion: """
            crate probe --checkpoint runs/tiny --train shards/train --validation shards/val
            mpirun -n 8 crate probe --checkpoint runs/tiny --layers all --random 0 \\
                --train shards/train --validation shards/val

            A linear classifier is solved on standardised features by L-BFGS, with the weight decay that is best on a tenth of the \
            training samples; and the nearest neighbours vote. Intervals are Wilson's at 95%.
            """)

    @OptionGroup var features: FeatureOptions
    @Option(help: ArgumentHelp("Labelled shards to fit the classifier on.", valueName: "dir"))
    var train: String
    @Option(help: ArgumentHelp("Labelled shards to evaluate it on.", valueName: "dir"))
    var validation: String
    @Option(help: ArgumentHelp("Number of nearest neighbours; 0 disables them.", valueName: "n"))
    var neighbours = 20
    @Flag(help: "Print one JSON object per layer.")
    var json = false
    @OptionGroup var speed: SpeedOptions

    func validate() throws {
        guard (0...1000).contains(neighbours) else { throw ValidationError("--neighbours takes 0 to 1000.") }
    }

    func run() throws {
        try runWithWorld { world in
            let loaded = try features.load(speed, world)
            let sources = try world.agree { try features.sources(of: loaded) }
            var isFirst = true
            try loaded.probe(
                sources, training: train, validation: validation,
                with: LinearProbe(neighbours: neighbours > 0 ? neighbours : nil), world: world
            ) { probe in
                if json { return try printJSON(probe) }
                if isFirst { printLine("layer  tokens  linear, %                 training, %   decay  neighbours, %") }
                isFirst = false
                printLine(row(probe))
            }
        }
    }

    private func row(_ probe: LayerProbe) -> String {
        let (result, linear) = (probe.result, probe.result.linear)
        let near = result.neighbours.map { String(format: "%13.2f", 100 * $0.fraction) } ?? "            -"
        return probe.layer.padded(to: 5) + "  " + probe.pooling.rawValue.padded(to: 6)
            + String(
                format: "  %6.2f (%5.2f to %5.2f)  %11.2f  %6.0e  ", 100 * linear.fraction,
                100 * linear.interval.lowerBound, 100 * linear.interval.upperBound, 100 * result.training.fraction,
                result.decay) + near
    }
}
