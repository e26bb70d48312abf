import Base
import Checkpoints
import CrateModel
import Foundation

// N images per batch, C = 3 colour channels, S their side, L patches, K classes.

/// A reference case computed by another program: a safetensors file with `model.*` parameters, `input.*`, `output.*`,
/// `grad.*`, and its configuration as JSON in the metadata.
///
/// A masked autoencoder has two batches, `input.images` (2 N, C, S, S) and `input.masks` (2 N, L), and AdamW steps
/// `step.*`; a classifier has one, `input.images` (N, C, S, S) and `input.labels` (N).
struct GoldenCase: ~Copyable {
    let model: Model
    let images: Int
    let file: SafetensorsReader
    private let patches: [Float]  // (batches N, L, V)
    private let masks: [UInt8]  // (2 N, L), empty for a classifier
    private let targets: [Float]  // (N, K), empty for an autoencoder

    /// Missing fields have the defaults of the PyTorch model.
    private struct Configuration: Decodable {
        let kind: String
        let architecture: Architecture?
        let batch: Int
        let imageSize, patch, dim, depth, heads, decoderDepth, decoderDim, decoderHeads, classes: Int?
        let normPix: Bool?
        let lambd, labelSmoothing: Double?

        func model() throws -> Model {
            let isAutoencoder = kind == "mae"
            let (dim, heads) = (dim ?? 384, heads ?? 6)
            let extents = try ModelConfiguration(
                architecture ?? .crate, imageSize: imageSize ?? 224, patchSize: patch ?? 16, dim: dim,
                depth: depth ?? 12, decoderDepth: decoderDepth, heads: heads,
                decoder: DecoderExtents(dim: decoderDim ?? dim, heads: decoderHeads ?? heads),
                lambda: lambd ?? (isAutoencoder ? 0.5 : 0.1), normalisesTargets: normPix ?? false)
            if isAutoencoder {
                try extents.validate()
                return try Model(extents)
            }
            return try Model(
                ClassifierConfiguration(extents, form: .supervised, pooling: .classToken, classes: classes ?? 1000))
        }
    }
}

extension GoldenCase {
    init(path: String) throws {
        let file = try SafetensorsReader(path: path)
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard let text = file.metadata["config"] else {
            throw Failure("\(path) has no configuration in its metadata", hint: "give a golden case")
        }
        let json = text.replacingOccurrences(of: "\"img_size\"", with: "\"image_size\"")
        guard let settings = try? decoder.decode(Configuration.self, from: Data(json.utf8)) else {
            throw Failure("the configuration of \(path) is not that of a golden case", hint: "its metadata: \(text)")
        }
        guard ["mae", "classifier"].contains(settings.kind) else {
            throw Failure("\(path) is a case of kind \(settings.kind)", hint: "give one of kind mae or classifier")
        }
        let model = try settings.model()
        let (images, configuration) = (settings.batch, model.configuration)
        let size = configuration.imageSize
        let batches = model.classifier == nil ? 2 : 1
        let pixels = try requiredValues("input.images", in: file)
        let misfit = Failure("the inputs of \(path) do not fit its configuration", hint: "make the case again")
        guard (1...100_000).contains(images),
            file.tensors["input.images"]?.shape == [batches * images, configuration.channels, size, size]
        else { throw misfit }
        var (masks, targets): ([UInt8], [Float]) = ([], [])
        if let classifier = model.classifier {
            let classes = classifier.classes
            let labels = try requiredValues("input.labels", in: file)
            guard labels.count == images, labels.allSatisfy({ $0 >= 0 && $0 < Double(classes) }) else { throw misfit }
            let rest = (settings.labelSmoothing ?? 0) / Double(classes)
            targets = labels.flatMap { label in
                (0..<classes).map { Float(rest + ($0 == Int(label) ? 1 - rest * Double(classes) : 0)) }
            }
        } else {
            masks = try requiredValues("input.masks", in: file).map { $0 == 0 ? 0 : 1 }
            guard masks.count == 2 * images * configuration.patchCount else { throw misfit }
        }
        self.init(
            model: model, images: images, file: file,
            patches: patchify(pixels, images: batches * images, configuration), masks: masks, targets: targets)
    }

    borrowing func holds(_ name: String) -> Bool { file.tensors[name] != nil }

    borrowing func expected(_ name: String) throws -> [Double] { try requiredValues(name, in: file) }

    /// Runs `body` on batch 0 or 1 and the number of terms averaged in its loss: hidden patches, or images.
    borrowing func withBatch<Result>(_ number: Int, _ body: (PatchBatch, _ terms: Int) -> Result) -> Result {
        let configuration = model.configuration
        let count = images * configuration.patchCount
        let first = number * count
        let terms = masks.isEmpty ? images : masks[first..<first + count].reduce(0) { $0 + Int($1) }
        return patches.withUnsafeBufferPointer { patches in
            masks.withUnsafeBufferPointer { masks in
                targets.withUnsafeBufferPointer { targets in
                    body(
                        PatchBatch(
                            patches: patches.baseAddress! + first * configuration.patchValueCount,
                            mask: masks.isEmpty ? nil : masks.baseAddress! + first,
                            targets: targets.isEmpty ? nil : targets.baseAddress, images: images),
                        terms)
                }
            }
        }
    }
}

private func requiredValues(_ name: String, in file: borrowing SafetensorsReader) throws -> [Double] {
    guard let values = try file.values(name) else {
        throw Failure("\(file.path) has no tensor \(name)", hint: "make the case again")
    }
    return values
}

/// (N, C, S, S) pixels to (N, L, V) patches with values in (row, column, channel) order.
private func patchify(_ pixels: [Double], images: Int, _ configuration: ModelConfiguration) -> [Float] {
    let (size, side, channels) = (configuration.imageSize, configuration.patchSize, configuration.channels)
    var patches: [Float] = []
    patches.reserveCapacity(pixels.count)
    for image in 0..<images {
        for patch in 0..<configuration.patchCount {
            let (top, left) = (patch / (size / side) * side, patch % (size / side) * side)
            for value in 0..<configuration.patchValueCount {
                let (pixel, channel) = (value / channels, value % channels)
                let (row, column) = (top + pixel / side, left + pixel % side)
                patches.append(Float(pixels[((image * channels + channel) * size + row) * size + column]))
            }
        }
    }
    return patches
}
