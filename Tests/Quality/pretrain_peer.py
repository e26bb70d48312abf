"""Pretrains a CRATE-MAE, or a ViT-MAE with --architecture vit, in PyTorch with the recipe of `crate pretrain --norm-pix`, for Launch/quality.

    python pretrain_peer.py --shards train.npz --validation val.npz --output peer.safetensors --steps 3000 --seed 0

Writes a model for `crate evaluate` and `crate probe`, and prints its validation loss as one JSON object.

N images, L patches, V values of a patch.
"""
import json

import torch
import torch.nn.functional as F
from torch import nn

import recipe
from crate_checkpoint import CrateMAE, MaskedAutoencoder

HIDDEN = 0.75


def positions(dim, grid):
    """The fixed sine-cosine table: zeros for the class token, then columns and rows. (1, L + 1, dim)"""
    frequencies = 10_000 ** (-torch.arange(dim // 4, dtype=torch.float64) / (dim // 4))
    row, column = torch.arange(grid).repeat_interleave(grid), torch.arange(grid).repeat(grid)
    angles = [place.view(-1, 1) * frequencies for place in (column, row)]
    table = torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], 1)
    return torch.cat([torch.zeros(1, dim, dtype=torch.float64), table])[None].float()


def initialise(model, grid):
    """Xavier uniform initialisation for linear weights, zeros for their biases; other parameters are unchanged."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    projection = model.patch_embed.proj.weight
    nn.init.xavier_uniform_(projection.data.view(len(projection), -1))
    for table in (model.pos_embed, model.decoder_pos_embed):
        table.data = positions(table.shape[2], grid)


def draw_masks(count, patches):
    """1 for masked patches; floor(L (1 - ratio)) patches of each image stay visible. (N, L)"""
    order = torch.rand(count, patches).argsort(1).argsort(1)
    return (order >= int(patches * (1 - HIDDEN))).float()


def loss(model, images, masks, patch):
    """The squared error relative to the standardised patches, averaged over all masked patches."""
    target = F.unfold(images, patch, stride=patch).transpose(1, 2)  # (N, L, V), channels first
    target = target.unflatten(2, (3, -1)).transpose(2, 3).flatten(2)  # in (row, column, channel) order
    target = (target - target.mean(2, keepdim=True)) / (target.var(2, keepdim=True) + 1e-6).sqrt()
    return ((model(images, masks) - target).square().mean(2) * masks).sum() / masks.sum()


def main():
    options = recipe.parser(__doc__, rate=5e-4, decay=0.1).parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    images, _, _ = recipe.load(options.shards)
    side, patch = images.shape[1], options.patch_size
    grid = side // patch
    shape = (side, patch, options.dim, options.depth, options.heads)
    if options.architecture == 'vit':
        model = MaskedAutoencoder('vit', *shape, decoder_depth=options.decoder_depth, decoder_dim=options.decoder_dim,
                                  decoder_heads=options.decoder_heads)
    else:
        model = CrateMAE(*shape, options.sparsity)
    initialise(model, grid)

    def loss_of(samples):
        return loss(model, recipe.augmented(images[samples]), draw_masks(len(samples), grid * grid), patch)

    recipe.train(model, loss_of, len(images), options, betas=(0.9, 0.95))
    recipe.save(model, {
        'config': json.dumps(recipe.configuration(options, side, options.decoder_depth or options.depth, normalises_targets=True)),
        'mask_ratio': str(HIDDEN)}, options.output)

    torch.manual_seed(0)
    held_out, _, _ = recipe.load(options.validation)
    with torch.no_grad():
        losses = [len(part) * loss(model, recipe.whole(part), draw_masks(len(part), grid * grid), patch).item()
                  for part in held_out.split(250)]
    print(json.dumps({'validation_loss': sum(losses) / len(held_out), 'torch': torch.__version__}))


if __name__ == '__main__':
    main()
