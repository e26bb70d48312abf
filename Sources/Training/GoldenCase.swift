import Checkpoints
import CrateModel
import Files
import Foundation

// N images a batch, C = 3 colour channels, S their side, L patches.

/// A case computed elsewhere that this program must reproduce: a safetensors file with `model.*` parameters,
/// `input.images` (2 N, C, S, S) and `input.masks` (2 N, L), `output.*`, `grad.*`, and AdamW steps `step.*`, its
/// configuration as JSON in the metadata.
struct GoldenCase: ~Copyable {
    let model: MaskedAutoencoder
    let images: Int
    let file: SafetensorsReader
    let patches: [Float]  // (2 N, L, V)
    let masks: [UInt8]  // (2 N, L)

    /// What the case leaves out has the defaults of the PyTorch model.
    private struct Configuration: Decodable {
        let kind: String
        let batch: Int
        let imageSize, patch, dim, depth, heads, decoderDepth: Int?
        let normPix: Bool?
        let lambd: Double?
    }

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
        guard settings.kind == "mae" else {
            throw Failure("\(path) is a case of kind \(settings.kind)", hint: "give one of kind mae")
        }
        let configuration = try ModelConfiguration(
            imageSize: settings.imageSize ?? 224, patchSize: settings.patch ?? 16, dim: settings.dim ?? 384,
            depth: settings.depth ?? 12, decoderDepth: settings.decoderDepth, heads: settings.heads ?? 6,
            lambda: settings.lambd ?? 0.5, normalisesTargets: settings.normPix ?? false)
        let (images, size) = (settings.batch, configuration.imageSize)
        let pixels = try requiredValues("input.images", in: file)
        let masks = try requiredValues("input.masks", in: file)
        guard (1...100_000).contains(images),
            file.tensors["input.images"]?.shape == [2 * images, ModelConfiguration.channels, size, size],
            masks.count == 2 * images * configuration.patchCount
        else {
            throw Failure("the inputs of \(path) do not fit its configuration", hint: "make the case again")
        }
        model = MaskedAutoencoder(configuration)
        self.images = images
        self.file = file
        patches = patchify(pixels, images: 2 * images, configuration)
        self.masks = masks.map { $0 == 0 ? 0 : 1 }
    }

    /// The stored values of `name`.
    borrowing func expected(_ name: String) throws -> [Double] { try requiredValues(name, in: file) }

    /// Runs `body` on the first or the second half of the images.
    borrowing func withHalf(_ half: Int, _ body: (MaskedBatch) -> Void) {
        let configuration = model.configuration
        let (patchStart, maskStart) = (
            half * images * configuration.patchCount * configuration.patchValueCount,
            half * images * configuration.patchCount
        )
        patches.withUnsafeBufferPointer { patches in
            masks.withUnsafeBufferPointer { masks in
                body(
                    MaskedBatch(
                        patches: patches.baseAddress! + patchStart, mask: masks.baseAddress! + maskStart,
                        images: images))
            }
        }
    }

    /// Hidden patches of one half.
    borrowing func hiddenCount(_ half: Int) -> Int {
        let count = images * model.configuration.patchCount
        return masks[half * count..<(half + 1) * count].reduce(0) { $0 + Int($1) }
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
    let (size, side, channels) = (configuration.imageSize, configuration.patchSize, ModelConfiguration.channels)
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
