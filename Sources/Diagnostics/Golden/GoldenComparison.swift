import Analysis
import Base
import CrateModel
import Foundation
import Kernels
import Optimizers

/// Runs the golden case at `path` on `threads` threads and compares everything stored in it: the outputs of every
/// block, its coding rate and sparsity, the last attention, the predictions, the loss, every gradient, and the losses
/// and final parameters of the AdamW steps.
///
/// A value that is not finite counts as an infinite error. Throws `Failure` if the file is not a complete case.
package func compareWithGoldenCase(
    at path: String, _ tolerance: ComparisonTolerance, threads: Int = 1, products: ProductBackend = .fastest
) throws -> [ComparisonRow] {
    let golden = try GoldenCase(path: path)
    let model = golden.model
    let optimizer = try Optimizer(model.layout, rule: .adamW(weightDecay: 0.05))
    let replica = try Replica(
        model, images: golden.images, precision: tolerance.precision, products: products,
        team: ThreadTeam(count: threads), isTrained: true)
    for parameter in model.layout.parameters {
        try golden.file.read(
            "model.\(parameter.name)", shape: parameter.shape, into: replica.parameters.pointer + parameter.offset)
    }
    var table = ComparisonTable(tolerance: tolerance)
    let tables = [
        ("model.pos_embed", model.configuration.positions),
        ("model.decoder_pos_embed", model.configuration.decoderPositions),
    ]
    for (name, values) in tables where model.classifier == nil && golden.holds(name) {
        table.add(name, values, try golden.expected(name))
    }
    try compareFirstPass(golden, replica, &table)
    if model.classifier == nil { try compareSteps(golden, replica, optimizer, &table) }
    return table.rows
}

private func compareFirstPass(
    _ golden: borrowing GoldenCase, _ replica: borrowing Replica, _ table: inout ComparisonTable
) throws {
    let (model, images) = (golden.model, golden.images)
    var outputs = [("output.attention.last", lastAttention(golden, replica))].filter { golden.holds($0.0) }
    let meter = try LayerMeter(model, images: images, threads: replica.team.count)
    let loss = golden.withBatch(0) { batch, terms in
        replica.computeGradients(batch, terms: terms) {
            switch replica.outputs {
            case .logits(let logits, let classes): outputs += [("output.logits", copied(logits, images * classes))]
            case .predictions(let predictions):
                outputs += autoencoderOutputs(replica, predictions, model.configuration, images: images)
                meter.measure(images: images, in: replica)
                // Cases from other sources may lack them.
                outputs += metrics(meter, images: images).filter { golden.holds($0.0) }
            }
        }
    }
    for (name, values) in outputs { table.add(name, values, try golden.expected(name)) }
    table.add("output.loss", [Float(loss)], try golden.expected("output.loss"))
    let gradients = try compare(replica.gradients.pointer, "grad", golden, &table)
    table.add(ComparisonTable.allGradients, gradients.own, gradients.expected)
}

/// Compares the parts of the flat buffer `buffer` with the tensors `kind.*`. Returns all parts joined.
@discardableResult
private func compare(
    _ buffer: UnsafePointer<Float>, _ kind: String, _ golden: borrowing GoldenCase, _ table: inout ComparisonTable
) throws -> (own: [Float], expected: [Double]) {
    var (own, expected): ([Float], [Double]) = ([], [])
    for parameter in golden.model.layout.parameters {
        let name = "\(kind).\(parameter.name)"
        let (values, reference) = (copied(buffer + parameter.offset, parameter.count), try golden.expected(name))
        table.add(name, values, reference)
        own += values
        expected += reference
    }
    return (own, expected)
}

private func autoencoderOutputs(
    _ replica: borrowing Replica, _ predictions: UnsafePointer<Float>, _ configuration: ModelConfiguration, images: Int
) -> [(String, [Float])] {
    let encoderCount = images * replica.encoderTokenCount * configuration.dim
    let encoder = (0..<configuration.depth).map {
        ("output.encoder.\($0)", copied(replica.encoderOutput($0), encoderCount))
    }
    let decoderCount = images * configuration.tokenCount * configuration.decoder.dim
    let decoder = (0..<configuration.decoderDepth).map {
        ("output.decoder.\($0)", copied(replica.decoderOutput($0), decoderCount))
    }
    let valueCount = configuration.patchValueCount
    let patches = (0..<images).flatMap { image in
        copied(predictions + (image * configuration.tokenCount + 1) * valueCount, configuration.patchCount * valueCount)
    }
    return encoder + decoder + [("output.pred", patches)]
}

/// The attention of the last encoder block, (N, H, T, T), with nothing hidden.
private func lastAttention(_ golden: borrowing GoldenCase, _ replica: borrowing Replica) -> [Float] {
    let configuration = golden.model.configuration
    let last = configuration.depth - 1
    golden.withBatch(0) { batch, _ in
        replica.encode(PatchBatch(patches: batch.patches, mask: nil, images: batch.images))
    }
    var values: [Float] = []
    for image in 0..<golden.images {
        for head in 0..<configuration.heads {
            for query in 0..<configuration.tokenCount {
                values += replica.attentionRow(block: last, image: image, head: head, query: query) ?? []
            }
        }
    }
    return values
}

private func metrics(_ meter: borrowing LayerMeter, images: Int) -> [(String, [Float])] {
    var outputs: [(String, [Float])] = []
    for block in 0..<meter.depth {
        for (name, metric, isSample) in [
            ("coding_rate", BlockMetric.codingRate, true), ("sparsity", .sparsity, false),
        ] {
            let place = LayerMeter.place(metric, block: block)
            let spread = Spread((0..<images).map { meter.row($0)[place] }, isSample: isSample)
            outputs.append(("output.\(name).\(block)", [spread?.mean, spread?.std].map { Float($0 ?? .nan) }))
        }
    }
    return outputs
}

private func compareSteps(
    _ golden: borrowing GoldenCase, _ replica: borrowing Replica, _ optimizer: borrowing Optimizer,
    _ table: inout ComparisonTable
) throws {
    let rates = try golden.expected("step.rate")
    var losses: [Float] = []
    for (step, rate) in rates.enumerated() {
        losses.append(Float(golden.withBatch(step % 2) { replica.computeGradients($0, terms: $1) }))
        optimizer.update(part: 0, of: replica, step: step, rate: rate, scale: 1)
    }
    table.add("step.loss", losses, try golden.expected("step.loss"))
    try compare(replica.parameters.pointer, "step.model", golden, &table)
}

extension Replica {
    /// Sets the gradients of the loss of `batch`, a mean over `terms`, and returns the loss. `inspect` is called between
    /// the forward and the backward pass.
    borrowing func computeGradients(_ batch: PatchBatch, terms: Int, inspect: () -> Void = {}) -> Double {
        clearGradients()
        forward(batch)
        inspect()
        loss(batch, gradientScale: 1 / Float(terms))
        completeBackward(batch)
        return meanLoss(batch, terms: terms)
    }

    /// The mean over `terms` after `loss`.
    borrowing func meanLoss(_ batch: PatchBatch, terms: Int) -> Double {
        imageLosses.prefix(batch.images).reduce(0, +) / Double(terms)
    }
}

func copied(_ values: UnsafePointer<Float>, _ count: Int) -> [Float] {
    [Float](UnsafeBufferPointer(start: values, count: count))
}
