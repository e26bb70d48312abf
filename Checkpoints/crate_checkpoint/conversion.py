"""Converts weights of other programs to safetensors under the published names, for `crate_checkpoint.load` and `crate import`."""
import json
import os
from pathlib import Path
from typing import List, Optional

import torch
from safetensors.torch import save_file

from .building import build
from .description import Description
from .foreign import read, state_dict
from .layers import positions
from .names import chosen, describe_state, renamed, without_prefix


def crate_metadata(description: Description) -> dict:
    """The metadata of an export of crate."""
    config = {'imageSize': description.image_size, 'patchSize': description.patch, 'dim': description.dim,
              'depth': description.depth, 'decoderDepth': description.decoder_depth or 0, 'heads': description.heads,
              'lambda': description.sparsity, 'normalisesTargets': description.normalises_targets}
    if description.architecture != 'crate':
        config['architecture'] = description.architecture
    if description.decoder_dim:
        config['decoder'] = {'dim': description.decoder_dim, 'heads': description.decoder_heads}
    normalisation = json.dumps({'mean': description.mean, 'deviation': description.std})
    texts = {'format': 'pt', 'normalisation': normalisation, 'part': 'model'}
    if description.part in ('classifier', 'supervised'):
        form = 'supervised' if description.part == 'supervised' else 'autoencoder'
        head = {'encoder': config, 'form': form, 'classes': description.classes, 'pooling': description.pooling}
        return {**texts, 'classifier': json.dumps(head, sort_keys=True)}
    texts['part'] = 'encoder' if description.part == 'encoder' else 'model'
    if description.part == 'encoder':  # whose configuration needs a decoder to be valid
        config['decoderDepth'] = description.depth
    return {**texts, 'config': json.dumps(config, sort_keys=True), 'mask_ratio': str(description.mask_ratio)}


def fill_tables(state, description: Description):
    """Adds the fixed position tables where the file has left them out, and the unused tensors of a CRATE-MAE."""
    for name, tensor in build(description).state_dict().items():
        if name in state or description.part == 'supervised':
            continue
        if name.endswith('pos_embed'):
            state[name] = positions(description.grid, tensor.shape[2])
        elif description.architecture == 'crate' and name.startswith('decoder_embed.'):
            state[name] = torch.zeros_like(tensor)


def unlike(state, description: Description) -> Optional[str]:
    """How names and shapes differ from the model's, in one line; None if they do not."""
    expected = {name: x.shape for name, x in build(description).state_dict().items()}
    problems = [('lacks', [name for name in expected if name not in state]),
                ('has too many', [name for name in state if name not in expected]),
                ('misshapen', [f'{name} ({list(state[name].shape)} instead of {list(shape)})'
                               for name, shape in expected.items() if name in state and state[name].shape != shape])]
    texts = [f'{title}: {", ".join(names[:8])}{f" and {len(names) - 8} more" if len(names) > 8 else ""}'
             for title, names in problems if names]
    return '; '.join(texts) or None


def convert(source, target, key=None, prefix=None, heads=None, sparsity=None, decoder_heads=None, norm_pix=False) -> List[str]:
    """Writes the weights in `source` as safetensors in float32 under the published names. Runs no code from it. Returns remarks.

    `source` is a .pth, .pt, .bin or .safetensors file, an index of several, or a directory of transformers. The state dict may be
    wrapped (`model`, `state_dict`, ...; `key` chooses), and its names may begin with `module.`, `_orig_mod.`, `encoder.` and others
    (`prefix` chooses). Where heads and lambda are given, or only one published model has such names and shapes, the file also carries its
    configuration, so that `load` takes it. Raises ValueError for what is no such model.
    """
    whole = state_dict(read(Path(source)), key)
    state, left = chosen(whole, prefix) if prefix is not None else without_prefix(whole)
    state = renamed(state)
    remarks = [f'left out {len(left)} tensors that are not the model\'s, the first is {left[0]}'] if left else []
    if 'mlp_head.1.weight' in state and 'head.weight' in state:
        remarks.append('left out head, a second classifier beside mlp_head')
        state = {name: x for name, x in state.items() if not name.startswith('head.')}
    odd = next((name for name, x in state.items() if not x.is_floating_point()), None)
    if odd:
        raise ValueError(f'{odd} has values that are not floating-point numbers, such as those of a quantised model')
    description, more = describe_state(state, heads, sparsity, decoder_heads, norm_pix)
    texts = {'format': 'pt'}
    if description:
        fill_tables(state, description)
        problem = unlike(state, description)
        if problem:
            raise ValueError(f'its tensors are not those of a {description.title} with {description.heads} heads: {problem}')
        texts = crate_metadata(description)
    # Copies, because safetensors rejects tensors that share memory.
    tensors = {name: x.detach().to(torch.float32).clone().contiguous() for name, x in state.items()}
    partial = f'{target}.{os.getpid()}.partial'
    try:
        save_file(tensors, partial, metadata=texts)
        os.replace(partial, target)
    finally:
        if os.path.exists(partial):
            os.remove(partial)
    return remarks + more
