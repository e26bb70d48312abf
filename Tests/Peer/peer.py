"""CRATE-MAE and ViT-MAE in PyTorch, as the baseline for crate: training steps on random images, fused AdamW, DDP over gloo.

    python peer.py --model tiny --batch-size 32 --threads 1 [--precision bf16] [--compile] [--ranks 2] [--no-warm-up]

Prints one JSON object: images_per_second (median, min, max over the steps, all ranks together) and
peak_memory_bytes (of the largest rank). The model is written in the usual way; the backward pass uses autograd.
Data are already in memory, which favours PyTorch.
"""
import argparse
import json
import os
import resource
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'Checkpoints'))
from crate_checkpoint import MaskedAutoencoder  # noqa: E402

SIZES = {'tiny': (384, 12, 6), 'small': (576, 12, 12), 'base': (768, 12, 12), 'large': (1024, 24, 16)}
VIT_SIZES = {'vit-small': (384, 12, 6), 'vit-base': (768, 12, 12)}
PATCH, GRID, MASKED = 16, 14, 147


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads, self.norm = heads, nn.LayerNorm(dim)
        self.subspaces, self.out = nn.Linear(dim, dim, bias=False), nn.Linear(dim, dim)

    def forward(self, x):
        n, t, d = x.shape
        u = self.subspaces(self.norm(x)).view(n, t, self.heads, -1).transpose(1, 2)
        scores = (u @ u.transpose(-1, -2)) * (d // self.heads) ** -0.5
        return self.out((scores.softmax(-1) @ u).transpose(1, 2).reshape(n, t, d))


class Dictionary(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.norm, self.weight = nn.LayerNorm(dim), nn.Parameter(torch.empty(dim, dim))
        nn.init.kaiming_uniform_(self.weight)


class Encoder(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.attention, self.dictionary = Attention(dim, heads), Dictionary(dim)

    def forward(self, z):
        h = self.dictionary.norm(z + self.attention(z))
        w = self.dictionary.weight
        return F.relu(h + 0.1 * F.linear(h - F.linear(h, w), w.t()) - 0.05)


class Decoder(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.dictionary, self.attention = Dictionary(dim), Attention(dim, heads)

    def forward(self, z):
        h = F.linear(self.dictionary.norm(z), self.dictionary.weight)
        return h - self.attention(h)


class CrateMAE(nn.Module):
    def __init__(self, dim, depth, heads):
        super().__init__()
        self.embed = nn.Conv2d(3, dim, PATCH, PATCH)
        self.class_token = nn.Parameter(0.02 * torch.randn(1, 1, dim))
        self.mask_token = nn.Parameter(0.02 * torch.randn(1, 1, dim))
        self.register_buffer('positions', torch.randn(1, GRID * GRID + 1, dim))
        blocks = [Encoder(dim, heads) for _ in range(depth)] + [nn.LayerNorm(dim)]
        self.blocks = nn.Sequential(*blocks, *(Decoder(dim, heads) for _ in range(depth)), nn.LayerNorm(dim))
        self.head = nn.Linear(dim, 3 * PATCH * PATCH)

    def forward(self, x, mask):
        z = self.embed(x).flatten(2).transpose(1, 2)
        z = z * (1 - mask[..., None]) + self.mask_token * mask[..., None]
        z = torch.cat([self.class_token.expand(len(x), -1, -1), z], 1) + self.positions
        return loss_of(self.head(self.blocks(z))[:, 1:], x, mask)


class VitMAE(MaskedAutoencoder):
    """ViT-MAE with Meta's decoder. The visible patches are gathered, which compiles, unlike indexing with the mask."""

    def __init__(self, dim, depth, heads):
        super().__init__('vit', GRID * PATCH, PATCH, dim, depth, heads, decoder_depth=8, decoder_dim=512, decoder_heads=16)
        self.pos_embed.data.normal_()
        self.decoder_pos_embed.data.normal_()

    def forward(self, x, mask):
        order = mask.argsort(dim=1, stable=True)
        patches = self.patch_embed(x) + self.pos_embed[:, 1:]
        visible = order[:, :GRID * GRID - MASKED, None].expand(-1, -1, patches.shape[2])
        z = self.decoder_embed(self.encode(patches.gather(1, visible)))
        tokens = torch.cat([z[:, 1:], self.mask_token.expand(len(x), MASKED, -1)], 1)
        places = tokens.gather(1, order.argsort(1)[..., None].expand(-1, -1, tokens.shape[2]))
        z = torch.cat([z[:, :1], places], 1) + self.decoder_pos_embed
        for block in self.decoder_blocks:
            z = block(z)
        return loss_of(self.decoder_pred(self.decoder_norm(z))[:, 1:], x, mask)


def loss_of(prediction, x, mask):
    target = F.unfold(x, PATCH, stride=PATCH).transpose(1, 2)
    target = (target - target.mean(-1, keepdim=True)) / (target.var(-1, keepdim=True) + 1e-6) ** 0.5
    return (((prediction - target) ** 2).mean(-1) * mask).sum() / mask.sum()


def train(rank, options, results):
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    if options.ranks > 1:
        os.sched_setaffinity(0, {rank % os.cpu_count()} if options.threads == 1 else range(os.cpu_count()))
        dist.init_process_group('gloo', f'file://{options.rendezvous}', rank=rank, world_size=options.ranks)
    model = CrateMAE(*SIZES[options.model]) if options.model in SIZES else VitMAE(*VIT_SIZES[options.model])
    runner = nn.parallel.DistributedDataParallel(model) if options.ranks > 1 else model
    if options.compile:
        runner = torch.compile(runner)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    batch = options.batch_size // options.ranks
    images = torch.randn(batch, 3, GRID * PATCH, GRID * PATCH)
    mask = torch.zeros(batch, GRID * GRID)
    mask[:, :MASKED] = 1
    rates = []
    warm_up = 0 if options.no_warm_up else 2 if options.compile else 1
    for step in range(options.steps + warm_up):
        start = time.perf_counter()
        with torch.autocast('cpu', torch.bfloat16, enabled=options.precision == 'bf16'):
            loss = runner(images, mask)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        rates.append(options.batch_size / (time.perf_counter() - start))
    rates = sorted(rates[-options.steps:])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    results.put((rates, peak))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--model', choices=[*SIZES, *VIT_SIZES], default='tiny')
    parser.add_argument('--batch-size', type=int, default=32, help='global batch size over all ranks')
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--ranks', type=int, default=1)
    parser.add_argument('--precision', choices=['fp32', 'bf16'], default='fp32')
    parser.add_argument('--compile', action='store_true')
    parser.add_argument('--steps', type=int, default=3)
    parser.add_argument('--no-warm-up', action='store_true', help='include the first step in the measurement')
    options = parser.parse_args()
    context = torch.multiprocessing.get_context('spawn')
    options.rendezvous = f'/tmp/crate-peer-{os.getpid()}'
    results = context.SimpleQueue()
    ranks = [context.Process(target=train, args=(rank, options, results)) for rank in range(options.ranks)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join()
        if rank.exitcode:
            raise SystemExit(rank.exitcode)
    rates, peaks = zip(*(results.get() for _ in ranks))
    print(json.dumps({
        'torch': torch.__version__,
        'images_per_second': {'median': sorted(rates[0])[len(rates[0]) // 2], 'min': rates[0][0], 'max': rates[0][-1]},
        'peak_memory_bytes': max(peaks)}))


if __name__ == '__main__':
    main()
