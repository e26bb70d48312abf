import CrateModel
import Loader

extension Model {
    /// `loaded` as the input of a pass of this model.
    package func batch(_ loaded: LoadedBatch) -> PatchBatch {
        let isClassifier = classifier != nil
        return PatchBatch(
            patches: loaded.patches, mask: isClassifier ? nil : loaded.mask,
            targets: isClassifier ? loaded.targets : nil, images: loaded.positions.count)
    }
}
