import ArgumentParser
import Base
import Checkpoints
import Foundation
import HuggingFace

extension StoredType: ExpressibleByArgument {}

enum ExportFormat: String, CaseIterable, ExpressibleByArgument {
    case safetensors, huggingface
}

struct ExportCommand: SingleProcessCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write a checkpoint as one file under the published names, or as a directory for transformers.",
        discussion: """
            crate export --checkpoint runs/tiny --output tiny.safetensors
            crate export --checkpoint runs/tiny --output encoder.safetensors \\
                --encoder --type bf16
            crate export --checkpoint runs/tiny --format huggingface --output tiny
            """)

    @Option(help: ArgumentHelp("A run, one of its checkpoints, or an export.", valueName: "path"))
    var checkpoint: String
    @OptionGroup var kind: WeightsOption
    @Option(help: ArgumentHelp("The file to write; of huggingface, a new or empty directory.", valueName: "path"))
    var output: String
    @Option(
        help: ArgumentHelp(
            "One file for crate_checkpoint, or a directory with the model's code for Hugging Face's transformers.",
            valueName: "safetensors|huggingface"))
    var format = ExportFormat.safetensors
    @Option(help: ArgumentHelp("Data type of the stored values.", valueName: "f32|bf16"))
    var type = StoredType.f32
    @Flag(help: "Write only the encoder of a masked autoencoder, for fine-tuning.")
    var encoder = false
    @Flag(help: "Require a supervised CRATE.")
    var classifier = false
    @Option(help: ArgumentHelp("Side of the input in pixels (default: as in training).", valueName: "pixels"))
    var imageSize: Int?

    func validate() throws {
        guard !encoder || !classifier else { throw ValidationError("Give --encoder or --classifier, not both.") }
        guard format == .safetensors || !(encoder || classifier) else {
            throw ValidationError("Leave --encoder and --classifier out: transformers chooses the part that it loads.")
        }
    }

    func run() throws {
        let file = try CheckpointStore.modelFile(at: checkpoint, weights: kind.weights) {
            printError("warning: \($0)")
        }
        guard format == .safetensors else {
            let directory = try ModelDirectory(file: file, imageSize: imageSize, type: type)
            try directory.write(to: output)
            return printLine("wrote \(output)")
        }
        try refuse(output, ifSameAs: file)
        let isReplaced = FileManager.default.fileExists(atPath: output)
        let published = try PublishedModel(file: file, imageSize: imageSize)
        try published.export(encoder ? .encoder : classifier ? .classifier : .model, to: output, type: type)
        printLine(isReplaced ? "wrote \(output) in place of the file that was there" : "wrote \(output)")
    }
}

/// Throws `Failure` if `output` and `input` are the same file.
private func refuse(_ output: String, ifSameAs input: String) throws {
    func identity(_ path: String) -> [UInt64]? {
        var information = stat()
        return stat(path, &information) == 0 ? [UInt64(information.st_dev), UInt64(information.st_ino)] : nil
    }
    guard identity(output) == nil || identity(output) != identity(input) else {
        throw Failure("\(output) is the file that is read", hint: "choose another --output")
    }
}
