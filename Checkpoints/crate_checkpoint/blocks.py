"""Encoder and decoder blocks of each architecture. Tokens (N, T, D) to tokens (N, T, D)."""
from torch import nn

from .layers import (
    Attention, Decompression, Ista, Mlp, Normed, OvercompleteIsta, SubspaceAttention, TokenStatistics)


class VitBlock(nn.Module):
    """h = z + MHSA(LN z), z' = h + MLP(LN h), under timm's names."""

    def __init__(self, dim, heads):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim, eps=1e-6), Attention(dim, heads)
        self.norm2, self.mlp = nn.LayerNorm(dim, eps=1e-6), Mlp(dim)

    def attention(self, z):
        """(N, T, D) -> (N, H, T, T)"""
        return self.attn.weights(self.norm1(z))

    def forward(self, z):
        h = z + self.attn(self.norm1(z))
        return h + self.mlp(self.norm2(h))


def white_box_layers(architecture, dim, heads, sparsity):
    """Attention and sparse coding of an encoder block."""
    if architecture == 'crate-alpha':
        attention = Normed(dim, SubspaceAttention(dim, heads, bias=False), 1e-6)
        return nn.ModuleList([attention, Normed(dim, OvercompleteIsta(dim, sparsity), 1e-6)])
    attention = TokenStatistics(dim, heads) if architecture == 'tost' else SubspaceAttention(dim, heads)
    return nn.ModuleList([Normed(dim, attention), Normed(dim, Ista(dim, sparsity))])


def run(architecture, layers, z):
    """An encoder block: h = z + attention(LN z), then ISTA(LN h) or, of CRATE-alpha, h + S(LN h)."""
    attention, coding = layers
    h = z + attention(z)
    return h + coding(h) if architecture == 'crate-alpha' else coding(h)


def run_back(architecture, layers, z):
    """A decoder block: the encoder block in reverse."""
    coding, attention = layers
    h = z - coding(z) if architecture == 'crate-alpha' else coding(z)
    return h - attention(h)


class WhiteBoxBlock(nn.Module):
    """A block of the encoder or, if `is_reversed`, of the decoder, under the published names layers.0.0 and layers.0.1."""

    def __init__(self, architecture, dim, heads, sparsity, is_reversed=False):
        super().__init__()
        self.architecture, self.is_reversed = architecture, is_reversed
        attention, coding = white_box_layers(architecture, dim, heads, sparsity)
        if is_reversed and architecture != 'crate-alpha':
            coding = Normed(dim, Decompression(dim))
        self.layers = nn.ModuleList([nn.ModuleList([coding, attention] if is_reversed else [attention, coding])])

    def attention(self, z):
        """That of an encoder block. (N, T, D) -> (N, H, T, T)"""
        return pair_attention(self.layers[0], z)

    def forward(self, z):
        return (run_back if self.is_reversed else run)(self.architecture, self.layers[0], z)


def pair_attention(layers, z):
    """The attention of an encoder block's two layers. (N, T, D) -> (N, H, T, T)"""
    return layers[0].fn.weights(layers[0].norm(z))


def block(architecture, dim, heads, sparsity, is_reversed=False):
    """A block of `architecture`: crate, crate-alpha, tost or vit."""
    if architecture == 'vit':
        return VitBlock(dim, heads)
    return WhiteBoxBlock(architecture, dim, heads, sparsity, is_reversed)
