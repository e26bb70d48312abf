import CrateModel
import Foundation
import Loader
import Optimizers

/// What training a classifier decides beyond what every run does.
package struct ClassificationTask: Codable, Equatable, Sendable {
    /// How patches become tokens.
    package var form: ClassifierForm
    /// What of the tokens the head looks at.
    package var pooling: Pooling
    /// Classes, smoothing, and what is done to images.
    package var labels: LabelSettings
    /// How parameters follow their gradients.
    package var optimizer: OptimizerKind
    /// What the learning rate is multiplied with from each layer to the one before it.
    package var layerDecay: Double

    /// A task from its parts.
    package init(
        form: ClassifierForm, pooling: Pooling, labels: LabelSettings, optimizer: OptimizerKind, layerDecay: Double
    ) {
        self.form = form
        self.pooling = pooling
        self.labels = labels
        self.optimizer = optimizer
        self.layerDecay = layerDecay
    }

    func rule(weightDecay: Double) -> UpdateRule {
        switch optimizer {
        case .lion: .lion(Lion(weightDecay: weightDecay))
        case .adamw: .adamW(weightDecay: weightDecay, beta2: 0.999)
        }
    }

    /// layerDecay^(n - l) for a parameter of layer l, the head being layer n.
    func rateFactor(_ parameter: Parameter, of model: Model) -> Double {
        pow(layerDecay, Double(model.configuration.depth + 1 - model.layer(ofParameterAt: parameter.offset)))
    }
}
