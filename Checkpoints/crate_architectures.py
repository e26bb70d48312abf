"""The architectures beside CRATE in PyTorch, for the files written by `crate export`: ViT, CRATE-alpha and ToST; and what CRATE shares.

`crate_checkpoint.load` chooses among them.

N images, L patches, T = L + 1 tokens, D channels, H heads, P = D / H, K hidden channels, V values per patch.
"""
import torch
import torch.nn.functional as F
from torch import nn

STEP = 0.1  # step size of sparse coding, the same for all published weights


class PatchEmbed(nn.Module):
    """Images (N, 3, S, S) to patches (N, L, D)."""

    def __init__(self, patch, dim):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch, patch)

    def forward(self, images):
        return self.proj(images).flatten(2).transpose(1, 2)


def table(grid, dim):
    """A placeholder for the position table, which is loaded from the file. (1, T, D)"""
    return nn.Parameter(torch.zeros(1, grid * grid + 1, dim), requires_grad=False)


def token(dim, deviation=0.02):
    return nn.Parameter(deviation * torch.randn(1, 1, dim))


def attend(q, k, v):
    """softmax(Q K^T / sqrt(P)) V, all (N, H, T, P); fused where PyTorch is new enough."""
    if hasattr(F, 'scaled_dot_product_attention'):
        return F.scaled_dot_product_attention(q, k, v)
    return (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1) @ v


# ---- the vision transformer, with timm's names ----


class Attention(nn.Module):
    """Per head softmax(Q K^T / sqrt(P)) V with (Q, K, V) = x W^T + b, then the output projection. (N, T, D) -> (N, T, D)"""

    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def forward(self, x):
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.proj(attend(q, k, v).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """W_2 gelu(W_1 x + b_1) + b_2, with the exact gelu and K = 4 D."""

    def __init__(self, dim):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class VitBlock(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim, eps=1e-6), Attention(dim, heads)
        self.norm2, self.mlp = nn.LayerNorm(dim, eps=1e-6), Mlp(dim)

    def forward(self, z):
        h = z + self.attn(self.norm1(z))
        return h + self.mlp(self.norm2(h))


# ---- CRATE-alpha and ToST, with the names of the CRATE authors' code ----


class SubspaceAttention(nn.Module):
    """Per head softmax(U U^T / sqrt(P)) U with U = x W_u^T, then the output projection without bias. (N, T, D) -> (N, T, D)"""

    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, dim, bias=False)
        self.to_out = nn.Sequential(nn.Linear(dim, dim, bias=False)) if heads > 1 else nn.Identity()

    def forward(self, x):
        u = self.qkv(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        return self.to_out(attend(u, u, u).transpose(1, 2).flatten(2))


class OvercompleteIsta(nn.Module):
    """Two steps of sparse coding from zero with the dictionary D (D, K), then back to tokens with the dictionary D1 (D, K)."""

    def __init__(self, dim, sparsity):
        super().__init__()
        self.D, self.D1 = nn.Parameter(torch.empty(dim, 4 * dim)), nn.Parameter(torch.empty(dim, 4 * dim))
        self.sparsity = sparsity
        for weight in (self.D, self.D1):
            nn.init.uniform_(weight, -(6 / dim) ** 0.5, (6 / dim) ** 0.5)

    def forward(self, x):
        first = F.relu(STEP * (x @ self.D) - STEP * self.sparsity)
        second = F.relu(first + STEP * ((x - first @ self.D.T) @ self.D) - STEP * self.sparsity)
        return second @ self.D1.T


class TokenStatistics(nn.Module):
    """Attention from second moments of the tokens, whose cost is linear in T. (N, T, D) -> (N, T, D)

    With U = x W_u^T + b split into heads, u_n = U divided by its norm over the tokens, channel by channel: pi = softmax over the heads of
    tau |u_n|^2, s = sum_t pi U^2 / (sum_t pi + 1e-8), and the result is -(pi U) / (1 + s), projected.
    """

    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.temp = nn.Linear(dim, dim), nn.Parameter(torch.ones(heads, 1))
        self.to_out = nn.Sequential(nn.Linear(dim, dim))

    def forward(self, x):
        u = self.qkv(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (N, H, T, P)
        pi = (F.normalize(u, dim=-2).square().sum(-1) * self.temp).softmax(1)  # (N, H, T)
        share = pi / (pi.sum(-1, keepdim=True) + 1e-8)
        moments = (share[:, :, None] @ u.square())[:, :, 0]  # (N, H, P)
        return self.to_out((-pi[..., None] * u / (1 + moments[:, :, None])).transpose(1, 2).flatten(2))


class Ista(nn.Module):
    """relu(x + eta (x - x W^T) W - eta lambda)"""

    def __init__(self, dim, sparsity):
        super().__init__()
        self.weight, self.sparsity = nn.Parameter(torch.empty(dim, dim)), sparsity
        nn.init.kaiming_uniform_(self.weight)

    def forward(self, x):
        return F.relu(x + STEP * ((x - x @ self.weight.T) @ self.weight) - STEP * self.sparsity)


class Decompression(nn.Module):
    """x W^T"""

    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(dim, dim))
        nn.init.kaiming_uniform_(self.weight)

    def forward(self, x):
        return x @ self.weight.T


class Normed(nn.Module):
    def __init__(self, dim, fn, epsilon=1e-5):
        super().__init__()
        self.norm, self.fn = nn.LayerNorm(dim, eps=epsilon), fn

    def forward(self, x):
        return self.fn(self.norm(x))


def alpha_layers(dim, heads, sparsity):
    """h = z + MSSA(LN z), z' = h + S(LN h)."""
    return nn.ModuleList([Normed(dim, SubspaceAttention(dim, heads), 1e-6), Normed(dim, OvercompleteIsta(dim, sparsity), 1e-6)])


def tost_layers(dim, heads, sparsity):
    """h = z + TSSA(LN z), z' = ISTA(LN h)."""
    return nn.ModuleList([Normed(dim, TokenStatistics(dim, heads)), Normed(dim, Ista(dim, sparsity))])


def run(architecture, layers, z):
    """An encoder block of CRATE-alpha or ToST."""
    attention, coding = layers
    h = z + attention(z)
    return h + coding(h) if architecture == 'crate-alpha' else coding(h)


def run_back(architecture, layers, z):
    """A decoder block: the encoder block in reverse."""
    coding, attention = layers
    h = z - coding(z) if architecture == 'crate-alpha' else coding(z)
    return h - attention(h)


class WhiteBoxBlock(nn.Module):
    """A block of the encoder or, `reversed`, of the decoder, under the published names layers.0.0 and layers.0.1."""

    def __init__(self, architecture, dim, heads, sparsity, is_reversed=False):
        super().__init__()
        self.architecture, self.is_reversed = architecture, is_reversed
        attention, coding = (alpha_layers if architecture == 'crate-alpha' else tost_layers)(dim, heads, sparsity)
        if is_reversed and architecture == 'tost':
            coding = Normed(dim, Decompression(dim))
        self.layers = nn.ModuleList([nn.ModuleList([coding, attention] if is_reversed else [attention, coding])])

    def forward(self, z):
        return (run_back if self.is_reversed else run)(self.architecture, self.layers[0], z)


def block(architecture, dim, heads, sparsity, is_reversed=False):
    if architecture == 'vit':
        return VitBlock(dim, heads)
    return WhiteBoxBlock(architecture, dim, heads, sparsity, is_reversed)


# ---- models ----


class Encoder(nn.Module):
    """Images (N, 3, S, S) to tokens after the final norm (N, T, D), class token first."""

    def __init__(self, architecture, image_size, patch, dim, depth, heads, sparsity=0.0):
        super().__init__()
        self.patch_embed = PatchEmbed(patch, dim)
        self.cls_token, self.pos_embed = token(dim), table(image_size // patch, dim)
        self.blocks = nn.ModuleList(block(architecture, dim, heads, sparsity) for _ in range(depth))
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def encode(self, patches):
        """Patches with their positions, (N, any number, D), to tokens."""
        z = torch.cat([(self.cls_token + self.pos_embed[:, :1]).expand(len(patches), -1, -1), patches], 1)
        for layer in self.blocks:
            z = layer(z)
        return self.norm(z)

    def forward(self, images):
        return self.encode(self.patch_embed(images) + self.pos_embed[:, 1:])


class MaskedAutoencoder(Encoder):
    """Images and mask (N, L), 1 for masked patches, to predictions (N, L, V), values in (row, column, channel) order.

    The encoder of a ViT sees the visible patches only, of which every image has as many; the others see mask tokens.
    """

    def __init__(self, architecture, image_size, patch, dim, depth, heads, sparsity=0.0, decoder_depth=None,
                 decoder_dim=None, decoder_heads=None):
        super().__init__(architecture, image_size, patch, dim, depth, heads, sparsity)
        width, self.omits = decoder_dim or dim, architecture == 'vit'
        self.mask_token = token(width)
        if self.omits:
            self.decoder_embed, self.decoder_pos_embed = nn.Linear(dim, width), table(image_size // patch, width)
        self.decoder_blocks = nn.ModuleList(
            block(architecture, width, decoder_heads or heads, sparsity, is_reversed=True)
            for _ in range(decoder_depth or depth))
        self.decoder_norm = nn.LayerNorm(width, eps=1e-6)
        self.decoder_pred = nn.Linear(width, 3 * patch * patch)

    def forward(self, images, mask):
        hidden = mask[..., None].bool()
        patches = self.patch_embed(images)
        if self.omits:
            seen = (patches + self.pos_embed[:, 1:])[~hidden[..., 0]].unflatten(0, (len(images), -1))
            z = self.decoder_embed(self.encode(seen))
            places = self.mask_token.expand(len(images), mask.shape[1], -1).masked_scatter(~hidden, z[:, 1:])
            z = torch.cat([z[:, :1], places], 1) + self.decoder_pos_embed
        else:
            z = self.encode(torch.where(hidden, self.mask_token, patches) + self.pos_embed[:, 1:])
        for layer in self.decoder_blocks:
            z = layer(z)
        return self.decoder_pred(self.decoder_norm(z))[:, 1:]


def pooled(z, pooling):
    """The class token, or the mean over the patches. (N, T, D) -> (N, D)"""
    return z[:, 0] if pooling == 'class' else z[:, 1:].mean(1)


class Classifier(Encoder):
    """Images (N, 3, S, S) to logits (N, K): an autoencoder's encoder under a head, or timm's ViT, whose positions are trained."""

    def __init__(self, architecture, image_size, patch, dim, depth, heads, sparsity=0.0, classes=1000, pooling='mean'):
        super().__init__(architecture, image_size, patch, dim, depth, heads, sparsity)
        self.pooling = pooling
        if pooling == 'mean':
            self.fc_norm, self.norm = self.norm, nn.Identity()
        self.head = nn.Linear(dim, classes)

    def forward(self, images):
        z = pooled(super().forward(images), self.pooling)
        return self.head(self.fc_norm(z) if self.pooling == 'mean' else z)


class CrateAlpha(nn.Module):
    """Images (N, 3, S, S) to logits (N, K): the supervised CRATE-alpha as published."""

    def __init__(self, architecture, image_size, patch, dim, depth, heads, sparsity=0.1, classes=1000, pooling='class'):
        super().__init__()
        self.pooling = pooling
        self.conv1 = nn.Conv2d(3, dim, patch, patch)
        self.cls_token = token(dim, 1e-6)
        self.pos_embedding = nn.Parameter(0.02 * torch.randn(1, (image_size // patch) ** 2 + 1, dim))
        self.transformer = nn.Module()
        self.transformer.layers = nn.ModuleList(alpha_layers(dim, heads, sparsity) for _ in range(depth))
        self.mlp_head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, classes))

    def forward(self, images):
        z = self.conv1(images).flatten(2).transpose(1, 2)
        z = torch.cat([self.cls_token.expand(len(z), -1, -1), z], 1) + self.pos_embedding
        for layers in self.transformer.layers:
            z = run('crate-alpha', layers, z)
        return self.mlp_head(pooled(z, self.pooling))


class NormalisedClassifier(nn.Module):
    """Images (N, 3, S, S) to logits (N, K): norms around the embedding, a learned position table, and blocks h = z + attention(LN z),
    z' = ISTA(LN h), whose two layers `make_layers` returns."""

    def __init__(self, make_layers, image_size, patch, dim, depth, classes, pooling):
        super().__init__()
        self.patch, self.pooling, values = patch, pooling, 3 * patch * patch
        self.to_patch_embedding = nn.Sequential(
            nn.Identity(), nn.LayerNorm(values), nn.Linear(values, dim), nn.LayerNorm(dim))
        self.pos_embedding = nn.Parameter(torch.randn(1, (image_size // patch) ** 2 + 1, dim))
        self.cls_token = token(dim, 1)
        self.transformer = nn.Module()
        self.transformer.layers = nn.ModuleList(make_layers() for _ in range(depth))
        self.mlp_head = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, classes))

    def forward(self, images):
        patches = F.unfold(images, self.patch, stride=self.patch).transpose(1, 2)  # (N, L, V), channels first
        patches = patches.unflatten(2, (3, -1)).transpose(2, 3).flatten(2)  # values in (row, column, channel) order
        z = self.to_patch_embedding(patches)
        z = torch.cat([self.cls_token.expand(len(z), -1, -1), z], 1) + self.pos_embedding
        for attention, ista in self.transformer.layers:
            z = ista(z + attention(z))
        return self.mlp_head(pooled(z, self.pooling))


class TostClassifier(NormalisedClassifier):
    """The supervised CRATE with attention from token statistics."""

    def __init__(self, architecture, image_size, patch, dim, depth, heads, sparsity=0.1, classes=1000, pooling='class'):
        super().__init__(lambda: tost_layers(dim, heads, sparsity), image_size, patch, dim, depth, classes, pooling)
