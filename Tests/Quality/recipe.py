"""What both PyTorch scripts of Launch/quality share, equivalent to `crate`: order and crops of images, learning rate, training loop.

N images per batch, S their side length. Crops use PyTorch's random generator, so a run uses the same recipe as `crate`, but different
random draws.
"""
import argparse
import json
import math
import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'Checkpoints'))

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def parser(description, rate, decay):
    """The options of both scripts, with the default peak learning rate and weight decay."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument('--shards', required=True, help='output of arrays.py for the training shards')
    options.add_argument('--validation', required=True, help='output of arrays.py for the validation shards')
    options.add_argument('--output', required=True, help='model file, .safetensors')
    options.add_argument('--steps', type=int, default=3000)
    options.add_argument('--batch-size', type=int, default=64)
    options.add_argument('--lr', type=float, default=rate)
    options.add_argument('--weight-decay', type=float, default=decay)
    options.add_argument('--lambda', type=float, default=0.1, dest='sparsity')
    options.add_argument('--dim', type=int, default=192)
    options.add_argument('--depth', type=int, default=6)
    options.add_argument('--heads', type=int, default=6)
    options.add_argument('--architecture', choices=['crate', 'vit'], default='crate')
    for name in ('dim', 'depth', 'heads'):
        options.add_argument(f'--decoder-{name}', type=int)
    options.add_argument('--patch-size', type=int, default=4)
    options.add_argument('--seed', type=int, default=0)
    options.add_argument('--threads', type=int, default=1)
    return options


def load(path):
    """Images (n, S, S, 3), uint8; labels (n); the number of classes."""
    arrays = np.load(path)
    return torch.from_numpy(arrays['images']), torch.from_numpy(arrays['labels']), len(arrays['classes'])


def batches(count, size, steps):
    """The samples of each step: each epoch is a permutation, and batches continue across epochs."""
    waiting = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        while len(waiting) < size:
            waiting = torch.cat([waiting, torch.randperm(count)])
        yield waiting[:size]
        waiting = waiting[size:]


def normalised(pixels):
    """Pixels (N, 3, S, S) from 0 to 255, normalised with ImageNet's mean and standard deviation."""
    return (pixels / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(DEVIATION).view(3, 1, 1)


def whole(images):
    """The evaluation input of images (N, S, S, 3) stored at the input size: the whole image."""
    return normalised(images.permute(0, 3, 1, 2).float())


def draw_crops(count, side):
    """Column, row, width and height of crops, each (N): area uniform in 0.2 to 1, aspect ratio log-uniform in 3/4 to 4/3; the first of
    ten draws that fits, or the whole image."""
    area = side * side * torch.empty(count, 10).uniform_(0.2, 1)
    ratio = torch.empty(count, 10).uniform_(-math.log(4 / 3), math.log(4 / 3)).exp()
    width, height = (area * ratio).sqrt().round(), (area / ratio).sqrt().round()
    fits = (width >= 1) & (width <= side) & (height >= 1) & (height <= side)
    first = fits.int().argmax(1, keepdim=True)
    width, height = (torch.where(fits.any(1), extent.gather(1, first)[:, 0], torch.full((count,), float(side)))
                     for extent in (width, height))
    column, row = ((torch.rand(count) * (side - extent + 1)).floor() for extent in (width, height))
    return column, row, width, height


def cubic(t):
    """Keys' cubic kernel with a = -1/2."""
    t = t.abs()
    near, far = (1.5 * t - 2.5) * t * t + 1, ((-0.5 * t + 2.5) * t - 4) * t + 2
    return torch.where(t < 1, near, torch.where(t < 2, far, torch.zeros_like(t)))


def resizing(start, extent, side):
    """Matrices that resize `extent` pixels from `start` to `side` pixels: (N, side, side), one row per output pixel.

    No crop is larger than the output, so the kernel is never widened. Pixels outside the crop are not used.
    """
    start, extent = start.view(-1, 1, 1), extent.view(-1, 1, 1)
    source = torch.arange(side).view(1, 1, -1) + 0.5
    centre = start + (torch.arange(side).view(1, -1, 1) + 0.5) * extent / side
    weights = cubic(source - centre) * ((source > start) & (source < start + extent))
    return weights / weights.sum(2, keepdim=True)


def cropped(images, crops, mirrored):
    """Crops of images (N, S, S, 3), resized, flipped horizontally where `mirrored` (N), normalised: (N, 3, S, S)."""
    column, row, width, height = crops
    side = images.shape[1]
    columns = resizing(column, width, side)
    columns = torch.where(mirrored.view(-1, 1, 1), columns.flip(1), columns)
    pixels = images.permute(0, 3, 1, 2).float() @ columns.mT[:, None]
    pixels = pixels.round().clamp(0, 255)  # like crate, which stores bytes between its two passes
    return normalised((resizing(row, height, side)[:, None] @ pixels).clamp(0, 255))


def augmented(images):
    """Random crops of images (N, S, S, 3), half of them flipped, normalised: (N, 3, S, S)."""
    return cropped(images, draw_crops(len(images), images.shape[1]), torch.rand(len(images)) < 0.5)


def rate(step, steps, peak):
    """The learning rate: linear warm-up from 0 over a twentieth of the run, then cosine decay."""
    warmup = steps // 20
    if step < warmup:
        return peak * step / warmup
    return peak / 2 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def train(model, loss_of, count, options, betas):
    """Trains `model` with AdamW on `loss_of(samples)`: gradients clipped to norm 1, weight decay on matrices only."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(
        [{'params': [p for p in trained if p.dim() > 1], 'weight_decay': options.weight_decay},
         {'params': [p for p in trained if p.dim() <= 1], 'weight_decay': 0.0}], lr=options.lr, betas=betas)
    start = time.monotonic()
    for step, samples in enumerate(batches(count, options.batch_size, options.steps)):
        for group in optimizer.param_groups:
            group['lr'] = rate(step, options.steps, options.lr)
        loss = loss_of(samples)
        if not math.isfinite(loss.item()):
            sys.exit(f'{Path(sys.argv[0]).name}: the loss of step {step + 1} is {loss.item()}; lower --lr')
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        if (step + 1) % max(1, options.steps // 50) == 0:
            speed = (step + 1) * options.batch_size / (time.monotonic() - start)
            print(f'step {step + 1}/{options.steps}  loss {loss.item():.4f}  {speed:.1f} images/s', file=sys.stderr, flush=True)


def configuration(options, side, decoder_depth, normalises_targets):
    """The model configuration in the format of `crate`."""
    kind = {}
    if options.architecture == 'vit':
        kind = {'architecture': 'vit', 'decoder': {'dim': options.decoder_dim, 'heads': options.decoder_heads}}
    return kind | {'imageSize': side, 'patchSize': options.patch_size, 'dim': options.dim, 'depth': options.depth,
            'decoderDepth': decoder_depth, 'heads': options.heads, 'lambda': options.sparsity,
            'normalisesTargets': normalises_targets}


def save(model, texts, path):
    """Writes a model file for `crate`, atomically."""
    texts = {'format': 'pt', 'normalisation': json.dumps({'mean': MEAN, 'deviation': DEVIATION}), **texts}
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, f'{path}.partial', metadata=texts)
    os.replace(f'{path}.partial', path)
