import ArgumentParser
import Base
import Checkpoints
import Training

struct ImportCommand: SingleProcessCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Import published weights, such as those of CRATE-MAE, MAE or timm's ViT, as step 0 of a run.",
        discussion: """
            crate import tiny.safetensors --run runs/tiny --heads 6 --lambda 0.5
            crate pretrain --resume --run runs/tiny --data shards/train
            crate import runs/tiny --run runs/fields --channels 4
            """)

    @Argument(
        help:
            "A .safetensors file with the keys of the published model; or a run, one of its checkpoints, or an export.")
    var file: String
    @OptionGroup var kind: WeightsOption
    @Option(name: .customLong("run"), help: ArgumentHelp("Run directory to create.", valueName: "dir"))
    var directory: String
    @Option(
        help: ArgumentHelp(
            "Attention heads (default: from the file's metadata, or as published for its sizes).", valueName: "n"))
    var heads: Int?
    @Option(
        help: ArgumentHelp(
            "Attention heads of the decoder of a ViT-MAE (default: from the file's metadata, or 16).", valueName: "n"))
    var decoderHeads: Int?
    @Option(
        help: ArgumentHelp(
            "Weight of the sparsity penalty (default: from the metadata; 0.1 of classifiers).", valueName: "x"))
    var lambda: Double?
    @Flag(
        inversion: .prefixedNo,
        help: "Whether target patches were standardised (default: from the metadata, or no).")
    var normPix: Bool?
    @Option(help: ArgumentHelp("Side of the input in pixels (default: that of the weights).", valueName: "pixels"))
    var imageSize: Int?
    @Option(
        help: ArgumentHelp(
            "Channels of the images to go on with. Weights of RGB are summed for one channel, and repeated for more "
                + "(default: those of the weights).", valueName: "n"))
    var channels: Int?

    func run() throws {
        let weights = try CheckpointStore.modelFile(at: file, weights: kind.weights) { printError("warning: \($0)") }
        let published = try PublishedModel.importing(
            weights,
            ImportSettings(
                heads: heads, decoderHeads: decoderHeads, lambda: lambda, normalisesTargets: normPix,
                imageSize: imageSize, channels: channels, remark: { printError("assuming \($0)") }))
        if !published.otherTypes.isEmpty {
            let types = published.otherTypes.joined(separator: ", ")
            let isRounded = published.otherTypes.contains("F64")
            printLine(
                "\(weights) has values of \(types), and a run has fp32: they are "
                    + (isRounded ? "rounded" : "kept exactly"))
        }
        printLine("wrote \(try RunDirectory(path: directory).begin(from: published))")
    }
}
