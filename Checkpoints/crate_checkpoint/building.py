"""Models from descriptions and files."""
from pathlib import Path

from safetensors.torch import load_file

from .classifiers import Classifier, CrateAlpha, CrateClassifier, EncoderUnderHead, TostClassifier
from .description import Description, describe, model_file, published
from .layers import positions
from .models import CrateEncoder, CrateMAE, Encoder, MaskedAutoencoder


def build(description: Description):
    """The model with random initial weights: a CrateMAE, a CrateEncoder, a CrateClassifier or an EncoderUnderHead, or of other
    architectures a MaskedAutoencoder, an Encoder, a Classifier, a CrateAlpha or a TostClassifier."""
    own = description.architecture == 'crate'
    sizes = (description.image_size, description.patch, description.dim, description.depth, description.heads,
             description.sparsity)
    first, channels = () if own else (description.architecture,), {'channels': description.channels}
    if description.part == 'autoencoder':
        if own:
            model = CrateMAE(*sizes, description.decoder_depth, **channels)
        else:
            model = MaskedAutoencoder(*first, *sizes, description.decoder_depth, description.decoder_dim,
                                      description.decoder_heads, **channels)
        model.normalises_targets = description.normalises_targets
    elif description.part == 'encoder':
        model = CrateEncoder(*sizes, **channels) if own else Encoder(*first, *sizes, **channels)
    else:
        supervised = {'crate': CrateClassifier, 'vit': Classifier, 'crate-alpha': CrateAlpha, 'tost': TostClassifier}
        kind = EncoderUnderHead if own else Classifier
        if description.part == 'supervised':
            kind = supervised[description.architecture]
        model = kind(*first, *sizes, description.classes, description.pooling, **channels)
    if description.trained_grid:
        for name in ('pos_embed', 'decoder_pos_embed'):
            if hasattr(model, name):
                old = getattr(model, name)
                old.data = positions(description.grid, old.shape[2], description.trained_grid)
    return model


def load(path):
    """Loads an export of crate into a model in float32; all keys must match (strict).

    `path` is a file of `crate export` or a directory of `crate export --format huggingface`. Raises ValueError for any other file. The
    model has `description`, and is in evaluation mode.
    """
    file = model_file(path)
    description = describe(file)
    tensors = {published(name): x for name, x in load_file(file).items()}
    model = build(description)
    tables = [name for name in model.state_dict() if name.endswith('pos_embed')]
    if description.part == 'autoencoder' and any(name not in tensors for name in tables):
        raise ValueError(f'{path} is a checkpoint; write a file with: crate export --checkpoint {Path(path).parent} --output FILE')
    model.load_state_dict(tensors, strict=True)
    model.description = description
    return model.eval()
