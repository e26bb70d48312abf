"""Encoders and masked autoencoders. N images of C channels, L patches, T = L + 1 tokens, D channels of a token, H heads, V values per patch."""
import torch
import torch.nn.functional as F
from torch import nn

from .blocks import block
from .layers import PatchEmbed, positions, table, token


def pooled(z, pooling):
    """The class token, or the mean over the patches. (N, T, D) -> (N, D)"""
    return z[:, 0] if pooling == 'class' else z[:, 1:].mean(1)


def patches_of(images, patch):
    """Images (N, C, S, S) to patches (N, L, V), values in (row, column, channel) order."""
    channels_first = F.unfold(images, patch, stride=patch).transpose(1, 2)
    count, patches, values = channels_first.shape
    return channels_first.reshape(count, patches, values // patch ** 2, patch ** 2).transpose(2, 3).flatten(2)


def images_of(patches, patch):
    """Patches (N, L, V) to images (N, C, S, S): the inverse of `patches_of`."""
    grid = round(patches.shape[1] ** 0.5)
    pixels = patches.reshape(patches.shape[0], grid, grid, patch, patch, -1)
    return pixels.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)


class ImageModel(nn.Module):
    """What all models share. A model has `embed`, images to tokens (N, T, D); `run_block`; `encoder_blocks`; and `final_norm`."""

    architecture = 'crate'

    @property
    def encoder_blocks(self):
        return self.blocks

    def run_block(self, layers, z):
        return layers(z)

    def block_attention(self, layers, z):
        return layers.attention(z)

    def final_norm(self, z):
        return self.norm(z)

    def index(self, layer):
        """The place of encoder block `layer`, counted from 1, or from the end if it is negative."""
        depth = len(self.encoder_blocks)
        if layer == 0 or not -depth <= layer <= depth:
            raise ValueError(f'there is no layer {layer}; choose one from 1 to {depth}')
        return layer - 1 if layer > 0 else depth + layer

    def run_blocks(self, z):
        """Embedded tokens (N, any number, D) to tokens after the last block."""
        for layers in self.encoder_blocks:
            z = self.run_block(layers, z)
        return z

    def tokens(self, images, layer=None):
        """Tokens after the encoder's final norm, or after block `layer`, class token first. (N, C, S, S) -> (N, T, D)"""
        z, last = self.embed(images), len(self.encoder_blocks) if layer is None else self.index(layer) + 1
        for layers in self.encoder_blocks[:last]:
            z = self.run_block(layers, z)
        return self.final_norm(z) if layer is None else z

    def features(self, images, layer=None, pooling='mean'):
        """A vector for each image, as of `crate features`. (N, C, S, S) -> (N, D)

        `layer` is an encoder block, counted from 1; None is behind the encoder's final norm. `pooling` is `mean` (over the patches) or
        `class`.
        """
        return pooled(self.tokens(images, layer), pooling)

    def attention(self, images, layer=-1):
        """The attention of all heads of encoder block `layer`. (N, C, S, S) -> (N, H, T, T)

        What `crate attention --values` writes are the class token's rows, `[:, :, 0, 1:]`. ToST has memberships of heads instead, the same
        in every row.
        """
        place, z = self.index(layer), self.embed(images)
        for layers in self.encoder_blocks[:place]:
            z = self.run_block(layers, z)
        return self.block_attention(self.encoder_blocks[place], z)


class Encoder(ImageModel):
    """Images (N, C, S, S) to tokens after the final norm (N, T, D), class token first."""

    def __init__(self, architecture, image_size, patch, dim, depth, heads, sparsity=0.0, channels=3):
        super().__init__()
        self.architecture, self.patch, self.grid, self.dim = architecture, patch, image_size // patch, dim
        self.patch_embed = PatchEmbed(patch, dim, channels)
        self.cls_token, self.pos_embed = token(dim), table(self.grid, dim)
        self.blocks = nn.ModuleList(block(architecture, dim, heads, sparsity) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def with_class_token(self, patches, table):
        """Patches with their positions (N, any number, D) behind the class token with its position."""
        return torch.cat([(self.cls_token + table[:, :1]).expand(patches.shape[0], -1, -1), patches], 1)

    def encode(self, patches):
        """Patches with their positions (N, any number, D) to tokens after the final norm."""
        return self.final_norm(self.run_blocks(self.with_class_token(patches, self.pos_embed)))

    def embed(self, images):
        return self.with_class_token(self.patch_embed(images) + self.pos_embed[:, 1:], self.pos_embed)

    def forward(self, images):
        return self.tokens(images)


class CrateEncoder(Encoder):
    """The encoder of a CRATE-MAE."""

    def __init__(self, image_size=224, patch=16, dim=384, depth=12, heads=6, sparsity=0.5, channels=3):
        super().__init__('crate', image_size, patch, dim, depth, heads, sparsity, channels)


class MaskedAutoencoder(Encoder):
    """Images and mask (N, L), 1 for masked patches, to predictions (N, L, V), values in (row, column, channel) order.

    The encoder of a ViT sees the visible patches only, of which every image has as many; the others see mask tokens. CRATE-MAE adds
    `decoder_pos_embed` in the encoder too; its `pos_embed` and `decoder_embed` are published keys that are not used.
    """

    normalises_targets = False  # whether predictions are of standardised patches; `load` sets it

    def __init__(self, architecture, image_size, patch, dim, depth, heads, sparsity=0.0, decoder_depth=None,
                 decoder_dim=None, decoder_heads=None, channels=3):
        super().__init__(architecture, image_size, patch, dim, depth, heads, sparsity, channels)
        width = decoder_dim or dim
        self.mask_token = token(width)
        if architecture in ('vit', 'crate'):
            self.decoder_pos_embed, self.decoder_embed = table(self.grid, width), nn.Linear(dim, width)
        self.decoder_blocks = nn.ModuleList(
            block(architecture, width, decoder_heads or heads, sparsity, is_reversed=True)
            for _ in range(decoder_depth or depth))
        self.decoder_norm = nn.LayerNorm(width, eps=1e-6)
        self.decoder_pred = nn.Linear(width, channels * patch * patch)

    def encoder_table(self):
        return self.decoder_pos_embed if self.architecture == 'crate' else self.pos_embed

    def embed(self, images, mask=None):
        """`mask` None hides nothing. A ViT omits the hidden patches."""
        table, patches = self.encoder_table(), self.patch_embed(images)
        if mask is None:
            return self.with_class_token(patches + table[:, 1:], table)
        hidden = mask.bool()[..., None]
        if self.architecture == 'vit':
            seen = (patches + table[:, 1:])[~hidden[..., 0]].reshape(images.shape[0], -1, self.dim)
            return self.with_class_token(seen, table)
        return self.with_class_token(torch.where(hidden, self.mask_token, patches) + table[:, 1:], table)

    def decode(self, z, mask):
        """Tokens after the encoder's final norm to predictions (N, L, V)."""
        if self.architecture == 'vit':
            z = self.decoder_embed(z)
            hidden = mask.bool()[..., None]
            places = self.mask_token.expand(z.shape[0], mask.shape[1], -1).masked_scatter(~hidden, z[:, 1:])
            z = torch.cat([z[:, :1], places], 1) + self.decoder_pos_embed
        for layers in self.decoder_blocks:
            z = layers(z)
        return self.decoder_pred(self.decoder_norm(z))[:, 1:]

    def forward(self, images, mask):
        return self.decode(self.final_norm(self.run_blocks(self.embed(images, mask))), mask)

    def targets(self, images):
        """What is predicted: patches, standardised if the model was trained so. (N, C, S, S) -> (N, L, V)"""
        patches = patches_of(images, self.patch)
        if not self.normalises_targets:
            return patches
        return (patches - patches.mean(2, keepdim=True)) / (patches.var(2, keepdim=True) + 1e-6).sqrt()

    def loss(self, images, mask):
        """The mean squared error over the hidden patches, as in training."""
        errors = (self(images, mask) - self.targets(images)).square().mean(2)
        return (errors * mask).sum() / mask.sum()

    def reconstruct(self, images, mask):
        """Normalised images with the hidden patches replaced by the predictions. (N, C, S, S), (N, L) -> (N, C, S, S)

        A prediction of a standardised patch is scaled back with mean and deviation of the patch itself.
        """
        patches, predicted = patches_of(images, self.patch), self(images, mask)
        if self.normalises_targets:
            predicted = predicted * (patches.var(2, keepdim=True) + 1e-6).sqrt() + patches.mean(2, keepdim=True)
        return images_of(torch.where(mask.bool()[..., None], predicted, patches), self.patch)


class CrateMAE(MaskedAutoencoder):
    """The masked autoencoder of CRATE."""

    def __init__(self, image_size=224, patch=16, dim=384, depth=12, heads=6, sparsity=0.5, decoder_depth=None,
                 channels=3):
        super().__init__('crate', image_size, patch, dim, depth, heads, sparsity, decoder_depth, channels=channels)


def resize_positions(model, image_size, trained=None):
    """Replaces the fixed position tables of `model` by those for images of another side; `trained` is the grid of its training."""
    grid = image_size // model.patch
    for name in ('pos_embed', 'decoder_pos_embed'):
        if hasattr(model, name):
            old = getattr(model, name)
            old.data = positions(grid, old.shape[2], trained or model.grid).to(old)
    model.grid = grid
    return model
