"""Trains the supervised CRATE from scratch in PyTorch with the recipe of `crate train --optimizer adamw --pooling mean`.

    python train_peer.py --shards train.npz --validation val.npz --output peer.safetensors --steps 600 --seed 0

Writes a model for `crate evaluate`, and prints its accuracy on all validation samples as one JSON object.
"""
import json

import torch
import torch.nn.functional as F

import recipe
from crate_checkpoint import CrateClassifier


def main():
    options = recipe.parser(__doc__, rate=1e-3, decay=0.05).parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    images, labels, classes = recipe.load(options.shards)
    side = images.shape[1]
    # The default initialisation of these classes is that of the recipe.
    model = CrateClassifier(side, options.patch_size, options.dim, options.depth, options.heads, options.sparsity,
                            classes, pooling='mean')

    def loss_of(samples):
        return F.cross_entropy(model(recipe.augmented(images[samples])), labels[samples], label_smoothing=0.1)

    recipe.train(model, loss_of, len(images), options, betas=(0.9, 0.999))
    encoder = recipe.configuration(options, side, 0, normalises_targets=False)
    recipe.save(model, {'classifier': json.dumps(
        {'encoder': encoder, 'form': 'supervised', 'pooling': 'mean', 'classes': classes})}, options.output)

    held_out, wanted, _ = recipe.load(options.validation)
    with torch.no_grad():
        said = torch.cat([model(recipe.whole(part)) for part in held_out.split(250)])
    print(json.dumps({'validation_loss': F.cross_entropy(said, wanted).item(), 'torch': torch.__version__,
                      'correct': (said.argmax(1) == wanted).sum().item(), 'total': len(wanted)}))


if __name__ == '__main__':
    main()
