import Kernels

// M = N T rows: all tokens of the N images of a micro-batch. D channels, V values a patch.

/// From the decoder's output to the values of every patch: LN(z) W^T + b.
struct PredictionHead: Sendable {
    let norm: NormLayer
    let weight: Weight  // W (V, D)
    let bias: Int  // b (V)

    private var valueCount: Int { weight.outputs }

    init(_ configuration: ModelConfiguration, in layout: inout ParameterLayout, prepared: inout PreparedLayout) {
        let (dim, valueCount) = (configuration.dim, configuration.patchValueCount)
        norm = NormLayer("decoder_norm", dim: dim, epsilon: 1e-6, in: &layout)
        let xavier = (6 / Double(dim + valueCount)).squareRoot()
        weight = prepared.append(
            layout.append("decoder_pred.weight", [valueCount, dim], initial: .uniform(bound: xavier)), valueCount, dim)
        bias = layout.append("decoder_pred.bias", [valueCount], initial: .constant(0))
    }

    /// Writes the predictions from z (M, D) to `predictions` (M, V).
    func forward(
        _ z: UnsafeMutablePointer<Float>, _ pass: Pass, _ saved: NormLayer.Saved,
        into predictions: UnsafeMutablePointer<Float>
    ) {
        norm.forward(z, pass, saved)
        // The embedding gathered its patches where the predictions go.
        pass.sync()
        multiply(
            pass.tokens(saved.output), pass.matrix(weight).transposed,
            into: pass.tokens(predictions, width: valueCount))
        let predicted = pass.own(predictions, width: valueCount)
        addRow(
            predicted, bias: pass.parameters + bias, sign: 1, rows: pass.rows, dim: valueCount, into: predicted)
    }

    /// From dP, the gradient of the predictions in their place, that of z to d (M, D): dW += dP^T LN(z), db += sum dP, and
    /// dP W goes through the norm.
    func backward(
        _ predictions: UnsafeMutablePointer<Float>, z: UnsafeMutablePointer<Float>, _ pass: Pass,
        _ saved: NormLayer.Saved, into d: UnsafeMutablePointer<Float>
    ) {
        let upstream = pass.factor(predictions, in: pass.scratch.predictionGradient, width: valueCount)
        pass.sync()
        pass.addGradient(of: weight, upstream, saved.output)
        pass.addBiasGradient(bias, predictions, width: valueCount)
        multiply(
            pass.tokens(upstream, width: valueCount), pass.matrix(weight), into: pass.tokens(pass.scratch.product))
        norm.backward(pass.scratch.product, x: z, pass, saved, into: d, isAdding: false)
    }
}
