import Analysis
import Base
import CrateModel
import Foundation
import Optimizers

/// Runs the golden case at `path` on `threads` threads and compares everything that it stores: the outputs of every
/// block, its coding rate and sparsity, the last attention, the predictions, the loss, every gradient, and the AdamW steps' losses and final parameters.
///
/// A value that is not finite counts as an infinite error. Throws `Failure` when the file is not a complete case.
package func compareWithGoldenCase(
    at path: String, _ tolerance: ComparisonTolerance, threads: Int = 1
) throws -> [ComparisonRow] {
    let golden = try GoldenCase(path: path)
    let model = golden.model
    let optimizer = try Optimizer(model.layout, rule: .adamW(weightDecay: 0.05))
    for parameter in model.layout.parameters {
        try golden.file.read(
            "model.\(parameter.name)", shape: parameter.shape, into: optimizer.parameters.pointer + parameter.offset)
    }
    let workspace = try Workspace(
        model, images: golden.images, precision: tolerance.precision, team: ThreadTeam(count: threads))
    var table = ComparisonTable(tolerance: tolerance)
    if let autoencoder = model.autoencoder {
        table.add("model.decoder_pos_embed", autoencoder.positions, try golden.expected("model.decoder_pos_embed"))
    }
    try compareFirstPass(golden, optimizer, workspace, &table)
    if model.autoencoder != nil { try compareSteps(golden, optimizer, workspace, &table) }
    return table.rows
}

private func compareFirstPass(
    _ golden: borrowing GoldenCase, _ optimizer: borrowing Optimizer, _ workspace: borrowing Workspace,
    _ table: inout ComparisonTable
) throws {
    let (model, images) = (golden.model, golden.images)
    var outputs = [("output.attention.last", lastAttention(golden, optimizer, workspace))]
        .filter { golden.holds($0.0) }
    let meter = try LayerMeter(model, images: images, threads: workspace.team.count)
    let loss = runPass(golden, batch: 0, optimizer, workspace) { workspace in
        if let classifier = model.classifier {
            outputs += [("output.logits", copied(workspace.logits, images * classifier.configuration.classes))]
        } else {
            outputs += autoencoderOutputs(workspace, model.configuration, images: images)
            meter.measure(images: images, parameters: optimizer.parameters.pointer, workspace: workspace)
            // Cases that others have made may hold none.
            outputs += measures(meter, images: images).filter { golden.holds($0.0) }
        }
    }
    for (name, values) in outputs { table.add(name, values, try golden.expected(name)) }
    table.add("output.loss", [Float(loss)], try golden.expected("output.loss"))
    var (gradients, expectedGradients): ([Float], [Double]) = ([], [])
    for parameter in golden.model.layout.parameters {
        let name = "grad.\(parameter.name)"
        let values = copied(optimizer.gradients.pointer + parameter.offset, parameter.count)
        let expected = try golden.expected(name)
        table.add(name, values, expected)
        gradients += values
        expectedGradients += expected
    }
    table.add(ComparisonTable.allGradients, gradients, expectedGradients)
}

private func autoencoderOutputs(
    _ workspace: borrowing Workspace, _ configuration: ModelConfiguration, images: Int
) -> [(String, [Float])] {
    let tokenCount = images * configuration.tokenCount * configuration.dim
    var outputs: [(String, [Float])] = []
    for block in 0..<configuration.depth {
        outputs.append(("output.encoder.\(block)", copied(workspace.encoderOutput(block), tokenCount)))
    }
    for block in 0..<configuration.decoderDepth {
        outputs.append(("output.decoder.\(block)", copied(workspace.decoderOutput(block), tokenCount)))
    }
    let valueCount = configuration.patchValueCount
    var predictions: [Float] = []
    for image in 0..<images {
        let firstPatch = workspace.predictions + (image * configuration.tokenCount + 1) * valueCount
        predictions += copied(firstPatch, configuration.patchCount * valueCount)
    }
    return outputs + [("output.pred", predictions)]
}

/// The attention of the last encoder block, (N, H, T, T), with nothing hidden.
private func lastAttention(
    _ golden: borrowing GoldenCase, _ optimizer: borrowing Optimizer, _ workspace: borrowing Workspace
) -> [Float] {
    let (configuration, parameters) = (golden.model.configuration, optimizer.parameters.pointer)
    golden.model.prepare(parameters: parameters, workspace: workspace)
    golden.withBatch(0) { batch in
        golden.model.encode(
            PatchBatch(patches: batch.patches, mask: nil, images: batch.images), parameters: parameters,
            workspace: workspace)
    }
    var values: [Float] = []
    for image in 0..<golden.images {
        for head in 0..<configuration.heads {
            for query in 0..<configuration.tokenCount {
                values += workspace.attentionRow(
                    block: configuration.depth - 1, image: image, head: head, query: query)
            }
        }
    }
    return values
}

private func measures(_ meter: borrowing LayerMeter, images: Int) -> [(String, [Float])] {
    var outputs: [(String, [Float])] = []
    for block in 0..<meter.depth {
        for (name, measure, isSample) in [
            ("coding_rate", BlockMeasure.codingRate, true), ("sparsity", .sparsity, false),
        ] {
            let place = LayerMeter.place(measure, block: block)
            let spread = Spread((0..<images).map { meter.row($0)[place] }, isSample: isSample)
            outputs.append(("output.\(name).\(block)", [spread?.mean, spread?.std].map { Float($0 ?? .nan) }))
        }
    }
    return outputs
}

private func compareSteps(
    _ golden: borrowing GoldenCase, _ optimizer: borrowing Optimizer, _ workspace: borrowing Workspace,
    _ table: inout ComparisonTable
) throws {
    let rates = try golden.expected("step.rate")
    var losses: [Float] = []
    for (step, rate) in rates.enumerated() {
        losses.append(Float(runPass(golden, batch: step % 2, optimizer, workspace) { _ in }))
        optimizer.update(part: 0, step: step, rate: rate, scale: 1)
    }
    table.add("step.loss", losses, try golden.expected("step.loss"))
    for parameter in golden.model.layout.parameters {
        let name = "step.model.\(parameter.name)"
        let values = copied(optimizer.parameters.pointer + parameter.offset, parameter.count)
        table.add(name, values, try golden.expected(name))
    }
}

/// One forward and backward pass; `inspect` sees the workspace between them. Returns the loss.
private func runPass(
    _ golden: borrowing GoldenCase, batch number: Int, _ optimizer: borrowing Optimizer,
    _ workspace: borrowing Workspace,
    inspect: (borrowing Workspace) -> Void
) -> Double {
    let (model, terms) = (golden.model, golden.termCount(number))
    optimizer.clearGradients()
    model.prepare(parameters: optimizer.parameters.pointer, workspace: workspace)
    golden.withBatch(number) { batch in
        model.forward(batch, parameters: optimizer.parameters.pointer, workspace: workspace)
        inspect(workspace)
        model.loss(batch, gradientScale: 1 / Float(terms), workspace: workspace)
        model.completeBackward(
            batch, parameters: optimizer.parameters.pointer, gradients: optimizer.gradients.pointer,
            workspace: workspace, ready: { _ in })
    }
    return workspace.imageLosses.prefix(golden.images).reduce(0, +) / Double(terms)
}

private func copied(_ values: UnsafePointer<Float>, _ count: Int) -> [Float] {
    [Float](UnsafeBufferPointer(start: values, count: count))
}
