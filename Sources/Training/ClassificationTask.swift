import CrateModel
import Foundation
import Loader
import Optimizers

/// The optimisers for classifiers.
package enum OptimizerKind: String, CaseIterable, Codable, Sendable {
    /// AdamW with betas 0.9 and 0.999.
    case adamw
    /// Lion with betas 0.9 and 0.99.
    case lion
}

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
        case .lion: return .lion(Lion(weightDecay: weightDecay))
        case .adamw:
            var rule = AdamW(weightDecay: weightDecay)
            rule.beta2 = 0.999
            return .adamW(rule)
        }
    }

    /// layerDecay^(n - l) for a parameter of layer l, the head being layer n.
    func rateFactor(_ parameter: Parameter, of classifier: Classifier) -> Double {
        let last = classifier.configuration.encoder.depth + 1
        return pow(layerDecay, Double(last - classifier.layer(ofParameterAt: parameter.offset)))
    }
}
