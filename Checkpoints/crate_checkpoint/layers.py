"""The layers of CRATE, CRATE-alpha, ToST and ViT in PyTorch, under the published parameter names.

N images, L patches, T = L + 1 tokens, D channels, H heads, P = D / H, K hidden channels.
"""
import torch
import torch.nn.functional as F
from torch import nn

STEP = 0.1  # step size of sparse coding, the same for all published weights


class PatchEmbed(nn.Module):
    """Images (N, C, S, S) to patches (N, L, D)."""

    def __init__(self, patch, dim, channels=3):
        super().__init__()
        self.proj = nn.Conv2d(channels, dim, patch, patch)

    def forward(self, images):
        return self.proj(images).flatten(2).transpose(1, 2)


def positions(grid, dim, trained=None):
    """The fixed sine-cosine table, zeros for the class token first. (1, grid * grid + 1, D)

    `trained` is the number of patches per side in training, if that was another one: patch i is then at
    (i + 1/2) trained / grid - 1/2.
    """
    places = (torch.arange(grid, dtype=torch.float64) + 0.5) * (trained or grid) / grid - 0.5
    frequencies = 10_000 ** (-torch.arange(dim // 4, dtype=torch.float64) / (dim / 4))
    column, row = places.repeat(grid), places.repeat_interleave(grid)
    angles = [place[:, None] * frequencies for place in (column, row)]
    patches = torch.cat([wave(angle) for angle in angles for wave in (torch.sin, torch.cos)], 1)
    return torch.cat([torch.zeros(1, dim, dtype=torch.float64), patches])[None].float()


def table(grid, dim, trained=None):
    """The fixed position table as a parameter that is not trained. (1, T, D)"""
    return nn.Parameter(positions(grid, dim, trained), requires_grad=False)


def token(dim, deviation=0.02):
    """A trained token. (1, 1, D)"""
    return nn.Parameter(deviation * torch.randn(1, 1, dim))


def attend(q, k, v):
    """softmax(Q K^T / sqrt(P)) V, all (N, H, T, P); fused where PyTorch is new enough."""
    if hasattr(F, 'scaled_dot_product_attention'):
        return F.scaled_dot_product_attention(q, k, v)
    return scores(q, k) @ v


def scores(q, k):
    """softmax(Q K^T / sqrt(P)). (N, H, T, P) twice -> (N, H, T, T)"""
    return (q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5).softmax(-1)


def heads_of(u, heads):
    """(N, T, D) -> (N, H, T, P)"""
    return u.reshape(u.shape[0], u.shape[1], heads, u.shape[2] // heads).transpose(1, 2)


class Attention(nn.Module):
    """Per head softmax(Q K^T / sqrt(P)) V with (Q, K, V) = x W^T + b, then the output projection. (N, T, D) -> (N, T, D)"""

    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)

    def parts(self, x):
        split = self.qkv(x).reshape(x.shape[0], x.shape[1], 3, self.heads, x.shape[2] // self.heads)
        return split.permute(2, 0, 3, 1, 4)

    def weights(self, x):
        """The attention of each head. (N, T, D) -> (N, H, T, T)"""
        q, k, _ = self.parts(x)
        return scores(q, k)

    def forward(self, x):
        q, k, v = self.parts(x)
        return self.proj(attend(q, k, v).transpose(1, 2).flatten(2))


class SubspaceAttention(nn.Module):
    """Per head softmax(U U^T / sqrt(P)) U with U = x W_u^T, then the output projection. (N, T, D) -> (N, T, D)"""

    def __init__(self, dim, heads, bias=True):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, dim, bias=False)
        self.to_out = nn.Sequential(nn.Linear(dim, dim, bias=bias)) if heads > 1 else nn.Identity()

    def weights(self, x):
        """The attention of each head. (N, T, D) -> (N, H, T, T)"""
        u = heads_of(self.qkv(x), self.heads)
        return scores(u, u)

    def forward(self, x):
        u = heads_of(self.qkv(x), self.heads)
        return self.to_out(attend(u, u, u).transpose(1, 2).flatten(2))


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

    def memberships(self, u):
        """How far each token belongs to each head. (N, H, T, P) -> (N, H, T)"""
        return (F.normalize(u, dim=-2).square().sum(-1) * self.temp).softmax(1)

    def weights(self, x):
        """Tokens do not attend to tokens: each row has the memberships of all tokens. (N, T, D) -> (N, H, T, T)"""
        pi = self.memberships(heads_of(self.qkv(x), self.heads))
        return pi[:, :, None].expand(-1, -1, pi.shape[2], -1)

    def forward(self, x):
        u = heads_of(self.qkv(x), self.heads)  # (N, H, T, P)
        pi = self.memberships(u)
        share = pi / (pi.sum(-1, keepdim=True) + 1e-8)
        moments = (share[:, :, None] @ u.square())[:, :, 0]  # (N, H, P)
        return self.to_out((-pi[..., None] * u / (1 + moments[:, :, None])).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """W_2 gelu(W_1 x + b_1) + b_2, with the exact gelu and K = 4 D."""

    def __init__(self, dim):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Ista(nn.Module):
    """relu(x + eta (x - x W^T) W - eta lambda)"""

    def __init__(self, dim, sparsity):
        super().__init__()
        self.weight, self.sparsity = nn.Parameter(torch.empty(dim, dim)), sparsity
        nn.init.kaiming_uniform_(self.weight)

    def forward(self, x):
        return F.relu(x + STEP * ((x - x @ self.weight.T) @ self.weight) - STEP * self.sparsity)


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


class Decompression(nn.Module):
    """x W^T"""

    def __init__(self, dim):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(dim, dim))
        nn.init.kaiming_uniform_(self.weight)

    def forward(self, x):
        return x @ self.weight.T


class Normed(nn.Module):
    """fn(LN x)"""

    def __init__(self, dim, fn, epsilon=1e-5):
        super().__init__()
        self.norm, self.fn = nn.LayerNorm(dim, eps=epsilon), fn

    def forward(self, x):
        return self.fn(self.norm(x))
