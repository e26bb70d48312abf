import Buffers
import Kernels

// N images, L patches, T = L + 1 tokens, V = 3 p p values a patch, D channels.

/// The images that a pass works on.
public struct MaskedBatch {
    /// Patches (N, L, V), values in (row, column, channel) order.
    public let patches: UnsafePointer<Float>
    /// (N, L), 1 where the patch is hidden from the encoder.
    public let mask: UnsafePointer<UInt8>
    /// N.
    public let images: Int

    /// A batch of `images` images in memory that somebody else owns.
    public init(patches: UnsafePointer<Float>, mask: UnsafePointer<UInt8>, images: Int) {
        self.patches = patches
        self.mask = mask
        self.images = images
    }
}

/// Patches to tokens: z[0] = class token; z[l + 1] = W_e x_l + b_e, or the mask token where hidden; plus the
/// position table. Only visible patches are multiplied, since the mask token overwrites the others.
struct PatchEmbedding: Sendable {
    let classToken: Int  // (1, 1, D)
    let maskToken: Int  // (1, 1, D)
    let weight: Int  // W_e (D, 3, p, p)
    let bias: Int  // b_e (D)
    let patchCount: Int
    let valueCount: Int
    let dim: Int
    let positions: [Float]  // (T, D)

    /// Memory of a pass. `values` and `embedded` may be scratch of other layers.
    struct Memory {
        let values: UnsafeMutablePointer<Float>  // visible patches, (N L, V)
        let embedded: UnsafeMutablePointer<Float>  // (N L, D)
        let weight: UnsafeMutablePointer<Float>  // W_e or its gradient with columns in the order of V, (D, V)
    }

    init(_ configuration: ModelConfiguration, in layout: inout ParameterLayout) {
        dim = configuration.dim
        patchCount = configuration.patchCount
        valueCount = configuration.patchValueCount
        positions = positionTable(dim: dim, grid: configuration.imageSize / configuration.patchSize)
        let side = configuration.patchSize
        let xavier = (6 / Double(dim + valueCount)).squareRoot()
        classToken = layout.append("cls_token", [1, 1, dim], initial: .normal(deviation: 0.02))
        maskToken = layout.append("mask_token", [1, 1, dim], initial: .normal(deviation: 0.02))
        weight = layout.append(
            "patch_embed.proj.weight", [dim, ModelConfiguration.channels, side, side], initial: .uniform(bound: xavier))
        bias = layout.append(
            "patch_embed.proj.bias", [dim], initial: .uniform(bound: 1 / Double(valueCount).squareRoot()))
    }

    /// Writes the tokens z (N, T, D).
    func forward(_ batch: MaskedBatch, _ pass: Pass, _ memory: Memory, into z: UnsafeMutablePointer<Float>) {
        let visible = gatherVisiblePatches(batch, into: memory.values)
        for d in 0..<dim {
            for v in 0..<valueCount {
                memory.weight[d * valueCount + v] = pass.parameters[weight + d * valueCount + storedColumn(v)]
            }
        }
        multiply(
            Matrix(memory.values, visible, valueCount), Matrix(memory.weight, dim, valueCount).transposed,
            into: Matrix(memory.embedded, visible, dim))
        addRow(
            memory.embedded, bias: pass.parameters + bias, sign: 1, rows: visible, dim: dim, into: memory.embedded)
        var embedded = UnsafePointer(memory.embedded)
        positions.withUnsafeBufferPointer { positions in
            for image in 0..<batch.images {
                for token in 0...patchCount {
                    let source: UnsafePointer<Float>
                    if token == 0 {
                        source = UnsafePointer(pass.parameters + classToken)
                    } else if batch.mask[image * patchCount + token - 1] != 0 {
                        source = UnsafePointer(pass.parameters + maskToken)
                    } else {
                        source = embedded
                        embedded += dim
                    }
                    let row = z + (image * (patchCount + 1) + token) * dim
                    add(source, positions.baseAddress! + token * dim, sign: 1, count: dim, into: row)
                }
            }
        }
    }

    /// From dz (N, T, D): dW_e += (visible rows)^T x; db_e, class and mask token += the sums of their rows.
    func backward(_ dz: UnsafePointer<Float>, _ batch: MaskedBatch, _ pass: Pass, _ memory: Memory) {
        let visible = gatherVisiblePatches(batch, into: memory.values)
        var embedded = memory.embedded
        for image in 0..<batch.images {
            for token in 0...patchCount {
                let row = dz + (image * (patchCount + 1) + token) * dim
                if token > 0, batch.mask[image * patchCount + token - 1] == 0 {
                    embedded.update(from: row, count: dim)
                    embedded += dim
                } else {
                    let sums = pass.gradients + (token == 0 ? classToken : maskToken)
                    add(sums, row, sign: 1, count: dim, into: sums)
                }
            }
        }
        addColumnSums(memory.embedded, sign: 1, rows: visible, dim: dim, to: pass.gradients + bias)
        multiply(
            Matrix(memory.embedded, visible, dim).transposed, Matrix(memory.values, visible, valueCount),
            into: Matrix(memory.weight, dim, valueCount))
        for d in 0..<dim {
            for v in 0..<valueCount {
                pass.gradients[weight + d * valueCount + storedColumn(v)] += memory.weight[d * valueCount + v]
            }
        }
    }

    /// Packs the visible patches and returns their number.
    private func gatherVisiblePatches(_ batch: MaskedBatch, into values: UnsafeMutablePointer<Float>) -> Int {
        var visible = 0
        for patch in 0..<batch.images * patchCount where batch.mask[patch] == 0 {
            (values + visible * valueCount).update(from: batch.patches + patch * valueCount, count: valueCount)
            visible += 1
        }
        return visible
    }

    /// Published weights are (channel, row, column), patches are (row, column, channel).
    private func storedColumn(_ v: Int) -> Int {
        let channels = ModelConfiguration.channels
        return (v % channels) * (valueCount / channels) + v / channels
    }
}
