import CrateModel
import Foundation
import Loader
import Optimizers

/// Settings of training a classifier.
package struct ClassificationTask: Codable, Equatable, Sendable {
    package var form: ClassifierForm
    package var pooling: Pooling
    /// Classes, smoothing and augmentation.
    package var labels: LabelSettings
    package var optimizer: OptimizerKind
    /// Factor on the learning rate from each layer to the one before it.
    package var layerDecay: Double

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
