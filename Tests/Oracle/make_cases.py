"""Writes the golden cases of ViT, CRATE-alpha and ToST that `GoldenTests` compares with: python Tests/Oracle/make_cases.py DIRECTORY

All is computed by PyTorch in float64, from parameters and inputs that are rounded to float32, and stored as float32, losses as float64.
A case has its configuration in the metadata, `model.*`, `input.*`, `output.*`, `grad.*` of the loss and, for autoencoders, `step.*`: ten
steps of AdamW. Needs torch and safetensors.
"""
import json
import math
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'Checkpoints'))

from crate_checkpoint import Classifier, CrateAlpha, MaskedAutoencoder, TokenStatistics, TostClassifier

IMAGES, HIDDEN, STEPS = 4, 0.75, 10


def rounded(x):
    return x.float().double()


def moved(model, seed):
    """Every trained parameter away from its initial value, so that no bias and no norm hides behind 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += 0.02 * torch.randn(parameter.shape, generator=generator)
        parameter.data = rounded(parameter.data)


def positions(dim, grid):
    """The fixed sine-cosine table of `crate`, computed in float32 as there. (1, T, D)"""
    place = torch.arange(grid, dtype=torch.float32)
    frequencies = 1 / 10_000 ** (torch.arange(dim // 4, dtype=torch.float32) / (dim // 4))
    column, row = place.repeat(grid)[:, None] * frequencies, place.repeat_interleave(grid)[:, None] * frequencies
    table = torch.cat([column.sin(), column.cos(), row.sin(), row.cos()], 1)
    return torch.cat([torch.zeros(1, dim), table])[None]


def reconstruction_loss(predictions, images, mask, patch, is_standardised):
    """The mean over the hidden patches of the mean squared error."""
    target = F.unfold(images, patch, stride=patch).transpose(1, 2)  # (N, L, V), channels first
    target = target.unflatten(2, (3, -1)).transpose(2, 3).flatten(2)
    if is_standardised:
        target = (target - target.mean(2, keepdim=True)) / (target.var(2, keepdim=True) + 1e-6).sqrt()
    return ((predictions - target).square().mean(2) * mask).sum() / mask.sum()


def adamw(model, loss_of):
    """Losses and learning rates of AdamW with decay 0.05 on weights, and none on vectors and temperatures."""
    vectors = {id(layer.temp) for layer in model.modules() if isinstance(layer, TokenStatistics)}
    trained = [p for p in model.parameters() if p.requires_grad]
    decays = [p.ndim > 1 and id(p) not in vectors for p in trained]
    optimizer = torch.optim.AdamW(
        [{'params': [p for p, decay in zip(trained, decays) if decay], 'weight_decay': 0.05},
         {'params': [p for p, decay in zip(trained, decays) if not decay], 'weight_decay': 0.0}],
        lr=0.0, betas=(0.9, 0.95), eps=1e-8)
    losses, rates = [], []
    for step in range(STEPS):
        rate = 1e-3 * step / 3 if step < 3 else 5e-4 * (1 + math.cos(math.pi * (step - 3) / (STEPS - 3)))
        for group in optimizer.param_groups:
            group['lr'] = rate
        optimizer.zero_grad()
        loss = loss_of(step)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        rates.append(rate)
    return torch.tensor(losses, dtype=torch.float64), torch.tensor(rates, dtype=torch.float64)


def write(path, config, tensors):
    values = {name: (x.double() if 'loss' in name or 'rate' in name else x.float()).detach().contiguous().clone()
              for name, x in tensors.items()}
    save_file(values, str(path), metadata={'config': json.dumps(config)})
    print(f'{path.name}  {len(values)} tensors, {path.stat().st_size >> 10} KiB')


def autoencoder(path, seed, architecture, size, patch, dim, depth, heads, sparsity=0.0, norm_pix=True, **decoder):
    torch.manual_seed(seed)
    model = MaskedAutoencoder(architecture, size, patch, dim, depth, heads, sparsity, **decoder).double()
    grid = size // patch
    model.pos_embed.data = positions(dim, grid)
    if architecture == 'vit':
        model.decoder_pos_embed.data = positions(decoder['decoder_dim'], grid)
    moved(model, seed)
    images = rounded(torch.randn(2 * IMAGES, 3, size, size, dtype=torch.float64))
    order = torch.rand(2 * IMAGES, grid * grid).argsort(1).argsort(1)
    masks = (order >= int(grid * grid * (1 - HIDDEN))).double()
    tensors = {f'model.{name}': x.clone() for name, x in model.state_dict().items()}
    tensors |= {'input.images': images, 'input.masks': masks}

    def loss_of(step):
        part = slice(step % 2 * IMAGES, step % 2 * IMAGES + IMAGES)
        return reconstruction_loss(model(images[part], masks[part]), images[part], masks[part], patch, norm_pix)

    outputs = []
    blocks = [*model.blocks, *model.decoder_blocks]
    hooks = [layer.register_forward_hook(lambda _, __, y: outputs.append(y)) for layer in blocks]
    tensors['output.pred'] = model(images[:IMAGES], masks[:IMAGES])
    for hook in hooks:
        hook.remove()
    for index, y in enumerate(outputs):
        tensors[f'output.encoder.{index}' if index < depth else f'output.decoder.{index - depth}'] = y
    loss = loss_of(0)
    loss.backward()
    tensors['output.loss'] = loss.reshape(1)
    tensors |= {f'grad.{name}': p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}
    tensors['step.loss'], tensors['step.rate'] = adamw(model, loss_of)
    tensors |= {f'step.model.{name}': p for name, p in model.named_parameters() if p.requires_grad}
    config = {'kind': 'mae', 'architecture': architecture, 'batch': IMAGES, 'img_size': size, 'patch': patch, 'dim': dim,
              'depth': depth, 'heads': heads, 'lambd': sparsity, 'norm_pix': norm_pix, 'decoder_depth': depth}
    write(path, config | decoder, tensors)


def classifier(path, seed, architecture, kind, size, patch, dim, depth, heads, sparsity=0.0, classes=10):
    torch.manual_seed(seed)
    model = kind(architecture, size, patch, dim, depth, heads, sparsity, classes, 'class').double()
    if kind is Classifier:  # timm's positions are trained
        model.pos_embed.requires_grad = True
        model.pos_embed.data = 0.02 * torch.randn(model.pos_embed.shape, dtype=torch.float64)
    moved(model, seed)
    images = rounded(torch.randn(IMAGES, 3, size, size, dtype=torch.float64))
    labels = torch.randint(classes, (IMAGES,))
    tensors = {f'model.{name}': x.clone() for name, x in model.state_dict().items()}
    logits = model(images)
    loss = F.cross_entropy(logits, labels, label_smoothing=0.1)
    loss.backward()
    tensors |= {'input.images': images, 'input.labels': labels.double(), 'output.logits': logits,
                'output.loss': loss.reshape(1)}
    tensors |= {f'grad.{name}': p.grad for name, p in model.named_parameters()}
    write(path, {'kind': 'classifier', 'architecture': architecture, 'batch': IMAGES, 'img_size': size, 'patch': patch,
                 'dim': dim, 'depth': depth, 'heads': heads, 'lambd': sparsity, 'classes': classes,
                 'label_smoothing': 0.1}, tensors)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__.splitlines()[0])
    to = Path(sys.argv[1])
    to.mkdir(parents=True, exist_ok=True)
    shape = {'size': 24, 'patch': 4, 'dim': 32, 'depth': 2, 'heads': 2}
    autoencoder(to / 'vit_mae.safetensors', 11, 'vit', **shape, decoder_depth=1, decoder_dim=24, decoder_heads=3)
    # An odd number of visible tokens, and heads that do not fill a vector.
    autoencoder(to / 'vit_mae_odd.safetensors', 12, 'vit', size=32, patch=8, dim=24, depth=1, heads=2, norm_pix=False,
                decoder_depth=2, decoder_dim=16, decoder_heads=1)
    autoencoder(to / 'alpha_mae.safetensors', 13, 'crate-alpha', **shape, sparsity=0.1)
    autoencoder(to / 'tost_mae.safetensors', 14, 'tost', **shape, sparsity=0.5)
    small = {'size': 16, 'patch': 4, 'dim': 32, 'depth': 2, 'heads': 2}
    classifier(to / 'vit_classifier.safetensors', 15, 'vit', Classifier, **small)
    classifier(to / 'alpha_classifier.safetensors', 16, 'crate-alpha', CrateAlpha, **small, sparsity=0.1)
    classifier(to / 'tost_classifier.safetensors', 17, 'tost', TostClassifier, **small, sparsity=0.1)


if __name__ == '__main__':
    main()
