"""CRATE and, with crate_architectures, its companions in PyTorch, for the files written by `crate export`.

    model = crate_checkpoint.load('tiny.safetensors')            # for example a CrateMAE; see load
    python -m crate_checkpoint convert in.pth out.safetensors    # converts a PyTorch state dict for `crate import`

N images, L patches, T = L + 1 tokens, D channels, H heads, P = D / H, V values per patch, K classes.
"""
import argparse
import functools
import json
import sys
import warnings
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

import crate_architectures
from crate_architectures import Decompression, Ista, NormalisedClassifier, Normed, PatchEmbed, pooled, table


class SubspaceAttention(nn.Module):
    """Per head softmax(U U^T / sqrt(P)) U with U = x W_u^T, then the output projection. (N, T, D) -> (N, T, D)"""

    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, dim, bias=False)
        self.to_out = nn.Sequential(nn.Linear(dim, dim)) if heads > 1 else nn.Identity()

    def forward(self, x):
        u = self.qkv(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        scores = u @ u.mT / u.shape[-1] ** 0.5
        return self.to_out((scores.softmax(-1) @ u).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """Two normed layers under the published names layers.0.0 and layers.0.1."""

    def __init__(self, dim, first, second):
        super().__init__()
        self.layers = nn.ModuleList([nn.ModuleList([Normed(dim, first), Normed(dim, second)])])


class EncoderBlock(Block):
    def __init__(self, dim, heads, sparsity):
        super().__init__(dim, SubspaceAttention(dim, heads), Ista(dim, sparsity))

    def forward(self, z):
        attention, ista = self.layers[0]
        return ista(z + attention(z))


class DecoderBlock(Block):
    def __init__(self, dim, heads):
        super().__init__(dim, Decompression(dim), SubspaceAttention(dim, heads))

    def forward(self, z):
        decompression, attention = self.layers[0]
        h = decompression(z)
        return h - attention(h)


class CrateEncoder(nn.Module):
    """Images (N, 3, S, S) to tokens after the final norm (N, T, D), class token first."""

    def __init__(self, image_size=224, patch=16, dim=384, depth=12, heads=6, sparsity=0.5):
        super().__init__()
        self.patch_embed = PatchEmbed(patch, dim)
        self.cls_token = nn.Parameter(0.02 * torch.randn(1, 1, dim))
        self.pos_embed = table(image_size // patch, dim)
        self.blocks = nn.ModuleList(EncoderBlock(dim, heads, sparsity) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def encode(self, patches, positions):
        z = torch.cat([self.cls_token.expand(len(patches), -1, -1), patches], 1) + positions
        for block in self.blocks:
            z = block(z)
        return self.norm(z)

    def forward(self, images):
        return self.encode(self.patch_embed(images), self.pos_embed)


class CrateMAE(CrateEncoder):
    """Images and mask (N, L), 1 for masked patches, to predictions (N, L, V), values in (row, column, channel) order.

    `pos_embed` and `decoder_embed` are published keys that are not used.
    """

    def __init__(self, image_size=224, patch=16, dim=384, depth=12, heads=6, sparsity=0.5, decoder_depth=None):
        super().__init__(image_size, patch, dim, depth, heads, sparsity)
        self.mask_token = nn.Parameter(0.02 * torch.randn(1, 1, dim))
        self.decoder_pos_embed = table(image_size // patch, dim)
        self.decoder_embed = nn.Linear(dim, dim)
        self.decoder_blocks = nn.ModuleList(DecoderBlock(dim, heads) for _ in range(decoder_depth or depth))
        self.decoder_norm = nn.LayerNorm(dim, eps=1e-6)
        self.decoder_pred = nn.Linear(dim, 3 * patch * patch)

    def forward(self, images, mask):
        patches = torch.where(mask[..., None].bool(), self.mask_token, self.patch_embed(images))
        z = self.encode(patches, self.decoder_pos_embed)
        for block in self.decoder_blocks:
            z = block(z)
        return self.decoder_pred(self.decoder_norm(z))[:, 1:]


class EncoderUnderHead(CrateEncoder):
    """Images (N, 3, S, S) to logits (N, K), with the encoder of a CRATE-MAE."""

    def __init__(self, image_size=224, patch=16, dim=384, depth=12, heads=6, sparsity=0.5, classes=1000,
                 pooling='mean'):
        super().__init__(image_size, patch, dim, depth, heads, sparsity)
        self.pooling = pooling
        if pooling == 'mean':
            self.fc_norm, self.norm = self.norm, nn.Identity()
        self.head = nn.Linear(dim, classes)

    def forward(self, images):
        z = pooled(super().forward(images), self.pooling)
        return self.head(self.fc_norm(z) if self.pooling == 'mean' else z)


class CrateClassifier(NormalisedClassifier):
    """The supervised CRATE."""

    def __init__(self, image_size=224, patch=16, dim=384, depth=12, heads=6, sparsity=0.1, classes=1000,
                 pooling='class'):
        super().__init__(
            lambda: nn.ModuleList([Normed(dim, SubspaceAttention(dim, heads)), Normed(dim, Ista(dim, sparsity))]),
            image_size, patch, dim, depth, classes, pooling)


def metadata(path):
    """The metadata of the file: config or classifier, run, step, normalisation, mask_ratio, part."""
    with safe_open(path, 'pt') as file:
        return file.metadata() or {}


def load(path):
    """Loads an export into a model in float32; all keys must match (strict).

    Returns a CrateMAE, a CrateEncoder (crate export --encoder), a CrateClassifier, or an EncoderUnderHead; of other architectures their
    counterpart in crate_architectures.
    """
    if Path(path).is_dir():
        raise ValueError(f'{path} is a directory; write a file with: crate export --checkpoint {path} --output FILE')
    texts = metadata(path)
    if 'classifier' in texts:
        classifier = json.loads(texts['classifier'])
        config, part = classifier['encoder'], 'supervised' if classifier['form'] == 'supervised' else 'classifier'
        more = {name: classifier[name] for name in ('classes', 'pooling')}
    elif 'config' in texts:
        config, part = json.loads(texts['config']), 'encoder' if texts.get('part') == 'encoder' else 'autoencoder'
        more = {} if part == 'encoder' else {'decoder_depth': config['decoderDepth']}
        if 'decoder' in config and part != 'encoder':
            more |= {'decoder_dim': config['decoder']['dim'], 'decoder_heads': config['decoder']['heads']}
    else:
        raise ValueError(f'{path} is not an export of crate: its metadata have no configuration')
    kind = model_kind(config.get('architecture', 'crate'), part)
    model = kind(config['imageSize'], config['patchSize'], config['dim'], config['depth'], config['heads'],
                 config['lambda'], **more)
    tensors = load_file(path)
    tables = [name for name in model.state_dict() if name.endswith('pos_embed')]
    if part == 'autoencoder' and any(name not in tensors for name in tables):
        raise ValueError(f'{path} is a checkpoint; write a file with: crate export --checkpoint {Path(path).parent} --output FILE')
    model.load_state_dict(tensors, strict=True)
    return model


def model_kind(architecture, part):
    """The class of a model, to be called with image size, patch, dim, depth, heads, lambda and what only the part has."""
    if architecture == 'crate':
        return {'supervised': CrateClassifier, 'classifier': EncoderUnderHead, 'encoder': CrateEncoder,
                'autoencoder': CrateMAE}[part]
    supervised = {'vit': crate_architectures.Classifier, 'crate-alpha': crate_architectures.CrateAlpha,
                  'tost': crate_architectures.TostClassifier}
    kinds = {'classifier': crate_architectures.Classifier, 'encoder': crate_architectures.Encoder,
             'autoencoder': crate_architectures.MaskedAutoencoder}
    return functools.partial(supervised[architecture] if part == 'supervised' else kinds[part], architecture)


def convert(source, target):
    """Converts the state dict in `source`, at the top level or under `model` or `state_dict`, to safetensors. Runs no code from it."""
    state = torch.load(source, map_location='cpu', weights_only=True)
    for key in ('model', 'state_dict'):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not state or not all(isinstance(x, torch.Tensor) for x in state.values()):
        raise ValueError('it does not contain a state dict of tensors')
    # Copies, because safetensors rejects tensors that share memory.
    save_file({name.removeprefix('module.'): x.detach().clone().contiguous() for name, x in state.items()},
              target, metadata={'format': 'pt'})


def main():
    parser = argparse.ArgumentParser(prog='crate_checkpoint', description='Convert a PyTorch .pth file to safetensors.')
    command = parser.add_subparsers(required=True).add_parser('convert')
    command.add_argument('source')
    command.add_argument('target')
    options = parser.parse_args()
    warnings.simplefilter('ignore')
    try:
        convert(options.source, options.target)
    except Exception as error:  # a corrupt or malicious file gives a one-line error
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if 'weights' in reason.lower():
            reason = 'it contains something other than weights, such as code'
        sys.exit(f'crate_checkpoint: cannot convert {options.source}: {reason}; give a state dict saved by torch.save')


if __name__ == '__main__':
    main()
