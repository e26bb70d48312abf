"""Classifiers: an autoencoder's encoder under a head, and the supervised models as their authors publish them.

N images of C channels, T tokens, D channels of a token, K classes, V values per patch.
"""
import torch
from torch import nn

from .blocks import pair_attention, run, white_box_layers
from .layers import token
from .models import Encoder, ImageModel, patches_of, pooled


class Classifier(Encoder):
    """Images (N, C, S, S) to logits (N, K): an autoencoder's encoder under a head, or timm's ViT, whose positions are trained."""

    def __init__(self, architecture, image_size, patch, dim, depth, heads, sparsity=0.0, classes=1000, pooling='mean',
                 channels=3):
        super().__init__(architecture, image_size, patch, dim, depth, heads, sparsity, channels)
        self.pooling = pooling
        if pooling == 'mean':
            self.fc_norm, self.norm = self.norm, nn.Identity()
        self.head = nn.Linear(dim, classes)

    def final_norm(self, z):
        """A classifier's norm, applied to all tokens."""
        return (self.fc_norm if self.pooling == 'mean' else self.norm)(z)

    def classify(self, z):
        """Tokens after the last block (N, T, D) to logits (N, K)."""
        return self.head(self.final_norm(pooled(z, self.pooling)))

    def forward(self, images):
        return self.classify(self.run_blocks(self.embed(images)))


class EncoderUnderHead(Classifier):
    """Images (N, C, S, S) to logits (N, K), with the encoder of a CRATE-MAE."""

    def __init__(self, image_size=224, patch=16, dim=384, depth=12, heads=6, sparsity=0.5, classes=1000,
                 pooling='mean', channels=3):
        super().__init__('crate', image_size, patch, dim, depth, heads, sparsity, classes, pooling, channels)


class SupervisedClassifier(ImageModel):
    """What the supervised CRATE, CRATE-alpha and ToST share: a learned position table, blocks, and LN and a product on one vector."""

    def __init__(self, architecture, image_size, patch, dim, depth, heads, sparsity, classes, pooling, channels=3,
                 deviation=1.0):
        super().__init__()
        self.architecture, self.patch, self.grid, self.dim = architecture, patch, image_size // patch, dim
        self.pooling = pooling
        self.add_embedding(patch, dim, channels)
        self.pos_embedding = nn.Parameter(deviation * torch.randn(1, self.grid ** 2 + 1, dim))
        self.transformer = nn.Module()
        self.transformer.layers = nn.ModuleList(
            white_box_layers(architecture, dim, heads, sparsity) for _ in range(depth))
        self.mlp_head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, classes))

    @property
    def encoder_blocks(self):
        return self.transformer.layers

    def run_block(self, layers, z):
        return run(self.architecture, layers, z)

    def block_attention(self, layers, z):
        return pair_attention(layers, z)

    def final_norm(self, z):
        return self.mlp_head[0](z)

    def embed(self, images):
        z = self.embed_patches(images)
        return torch.cat([self.cls_token.expand(z.shape[0], -1, -1), z], 1) + self.pos_embedding

    def classify(self, z):
        """Tokens after the last block (N, T, D) to logits (N, K)."""
        return self.mlp_head(pooled(z, self.pooling))

    def forward(self, images):
        return self.classify(self.run_blocks(self.embed(images)))


class NormalisedClassifier(SupervisedClassifier):
    """Norms around the embedding of patches."""

    def add_embedding(self, patch, dim, channels):
        values = channels * patch * patch
        self.to_patch_embedding = nn.Sequential(
            nn.Identity(), nn.LayerNorm(values), nn.Linear(values, dim), nn.LayerNorm(dim))
        self.cls_token = token(dim, 1)

    def embed_patches(self, images):
        return self.to_patch_embedding(patches_of(images, self.patch))


class CrateClassifier(NormalisedClassifier):
    """The supervised CRATE."""

    def __init__(self, image_size=224, patch=16, dim=384, depth=12, heads=6, sparsity=0.1, classes=1000,
                 pooling='class', channels=3):
        super().__init__('crate', image_size, patch, dim, depth, heads, sparsity, classes, pooling, channels)


class TostClassifier(NormalisedClassifier):
    """The supervised CRATE with attention from token statistics."""

    def __init__(self, architecture, image_size, patch, dim, depth, heads, sparsity=0.1, classes=1000, pooling='class',
                 channels=3):
        super().__init__(architecture, image_size, patch, dim, depth, heads, sparsity, classes, pooling, channels)


class CrateAlpha(SupervisedClassifier):
    """The supervised CRATE-alpha."""

    def __init__(self, architecture, image_size, patch, dim, depth, heads, sparsity=0.1, classes=1000, pooling='class',
                 channels=3):
        super().__init__(architecture, image_size, patch, dim, depth, heads, sparsity, classes, pooling, channels,
                         deviation=0.02)

    def add_embedding(self, patch, dim, channels):
        self.conv1 = nn.Conv2d(channels, dim, patch, patch)
        self.cls_token = token(dim, 1e-6)

    def embed_patches(self, images):
        return self.conv1(images).flatten(2).transpose(1, 2)
