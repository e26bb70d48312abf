import Kernels

/// The relative L2 errors of all tensors of one kind, such as the same weight in every block.
package struct ComparisonRow: Sendable {
    /// The tensors' name without block numbers.
    package let kind: String
    package var tensors = 0
    /// The largest of their errors: ||ours - expected|| / ||expected||, or ||ours|| if expected is zero.
    package var worstError = 0.0
    package var worstTensor = ""
    /// The largest error that passes; nil if any error does.
    package var tolerance: Double?

    package var passes: Bool { tolerance.map { worstError <= $0 } ?? true }
}

/// How strictly a golden case is judged.
package enum ComparisonTolerance: Sendable {
    /// Products in fp32; all kinds of tensors have the same tolerance.
    case fp32(Double)
    /// Products in bf16. Only predictions, losses and all gradients as one vector are judged, since single small
    /// tensors may have large errors.
    case bf16

    var precision: Precision {
        switch self {
        case .fp32: .fp32
        case .bf16: .bf16
        }
    }

    func tolerance(of kind: String) -> Double? {
        switch self {
        case .fp32(let tolerance): tolerance
        case .bf16:
            [
                "output.pred": 2e-2, "output.logits": 2e-2, "output.loss": 3e-3, "step.loss": 3e-3,
                ComparisonTable.allGradients: 5e-2,
            ][kind]
        }
    }
}

/// Rows in order of first appearance.
struct ComparisonTable {
    /// The kind of all gradients as one vector.
    static let allGradients = "grad (all)"

    let tolerance: ComparisonTolerance
    private(set) var rows: [ComparisonRow] = []

    init(tolerance: ComparisonTolerance) { self.tolerance = tolerance }

    mutating func add(_ name: String, _ values: [Float], _ expected: [Double]) {
        var error = Double.infinity
        if values.count == expected.count {
            let difference = zip(values, expected).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
            let reference = expected.reduce(0) { $0 + $1 * $1 }
            error = (reference > 0 ? difference / reference : difference).squareRoot()
            if !error.isFinite { error = .infinity }
        }
        let kind = name.split(separator: ".").filter { Int($0) == nil }.joined(separator: ".")
        let index = rows.firstIndex { $0.kind == kind } ?? rows.count
        if index == rows.count { rows.append(ComparisonRow(kind: kind, tolerance: tolerance.tolerance(of: kind))) }
        rows[index].tensors += 1
        if error >= rows[index].worstError { (rows[index].worstError, rows[index].worstTensor) = (error, name) }
    }
}
