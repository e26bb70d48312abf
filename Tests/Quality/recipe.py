"""What both peers of Launch/quality do as `crate` does: order and crops of images, learning rates, the training loop.

N images of a batch, S their side. The crops are drawn from PyTorch's own generator, so a peer's run is another draw of the same
recipe and not the same run.
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
    """The options of both peers, with the peak learning rate and the weight decay that are usual."""
    options = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument('--shards', required=True, help='what arrays.py made of the training shards')
    options.add_argument('--validation', required=True, help='the same of the validation shards')
    options.add_argument('--output', required=True, help='model file, .safetensors')
    options.add_argument('--steps', type=int, default=3000)
    options.add_argument('--batch-size', type=int, default=64)
    options.add_argument('--lr', type=float, default=rate)
    options.add_argument('--weight-decay', type=float, default=decay)
    options.add_argument('--lambda', type=float, default=0.1, dest='sparsity')
    options.add_argument('--dim', type=int, default=192)
    options.add_argument('--depth', type=int, default=6)
    options.add_argument('--heads', type=int, default=6)
    options.add_argument('--patch-size', type=int, default=4)
    options.add_argument('--seed', type=int, default=0)
    options.add_argument('--threads', type=int, default=1)
    return options


def load(path):
    """Images (n, S, S, 3), bytes; labels (n); the number of classes."""
    arrays = np.load(path)
    return torch.from_numpy(arrays['images']), torch.from_numpy(arrays['labels']), len(arrays['classes'])


def batches(count, size, steps):
    """The samples of each step: epoch after epoch without a break, each epoch a permutation."""
    waiting = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        while len(waiting) < size:
            waiting = torch.cat([waiting, torch.randperm(count)])
        yield waiting[:size]
        waiting = waiting[size:]


def normalised(pixels):
    """Pixels (N, 3, S, S) of 0 to 255 by ImageNet's mean and deviation."""
    return (pixels / 255 - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(DEVIATION).view(3, 1, 1)


def whole(images):
    """What evaluation sees of images (N, S, S, 3) that are stored at the size of the input: all of it."""
    return normalised(images.permute(0, 3, 1, 2).float())


def draw_crops(count, side):
    """Column, row, width and height of crops: area uniform in 0.2 to 1, ratio log-uniform in 3/4 to 4/3; of ten draws the first
    that fits, or all of the image. Four times (N)."""
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
    """Keys' kernel with a = -1/2."""
    t = t.abs()
    near, far = (1.5 * t - 2.5) * t * t + 1, ((-0.5 * t + 2.5) * t - 4) * t + 2
    return torch.where(t < 1, near, torch.where(t < 2, far, torch.zeros_like(t)))


def resizing(start, extent, side):
    """The matrices that resize `extent` pixels from `start` on to `side`: (N, side, side), a row for each pixel of the result.

    As no crop is larger than the result, the kernel is never widened. Pixels beside the crop take no part.
    """
    start, extent = start.view(-1, 1, 1), extent.view(-1, 1, 1)
    source = torch.arange(side).view(1, 1, -1) + 0.5
    centre = start + (torch.arange(side).view(1, -1, 1) + 0.5) * extent / side
    weights = cubic(source - centre) * ((source > start) & (source < start + extent))
    return weights / weights.sum(2, keepdim=True)


def cropped(images, crops, mirrored):
    """Crops of images (N, S, S, 3), resized and, where `mirrored` (N), turned left to right: (N, 3, S, S), normalised."""
    column, row, width, height = crops
    side = images.shape[1]
    columns = resizing(column, width, side)
    columns = torch.where(mirrored.view(-1, 1, 1), columns.flip(1), columns)
    pixels = images.permute(0, 3, 1, 2).float() @ columns.mT[:, None]
    pixels = pixels.round().clamp(0, 255)  # as crate does, which keeps bytes between its two passes
    return normalised((resizing(row, height, side)[:, None] @ pixels).clamp(0, 255))


def augmented(images):
    """Random crops of images (N, S, S, 3), one in two mirrored: (N, 3, S, S), normalised."""
    return cropped(images, draw_crops(len(images), images.shape[1]), torch.rand(len(images)) < 0.5)


def rate(step, steps, peak):
    """The learning rate: a twentieth of the run as linear warm-up from 0, then half a cosine."""
    warmup = steps // 20
    if step < warmup:
        return peak * step / warmup
    return peak / 2 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def train(model, loss_of, count, options, betas):
    """Trains `model` by AdamW on `loss_of(samples)`; gradients clipped to a norm of 1, decay of what has more than one dimension."""
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
    """The model's configuration as `crate` writes it."""
    return {'imageSize': side, 'patchSize': options.patch_size, 'dim': options.dim, 'depth': options.depth,
            'decoderDepth': decoder_depth, 'heads': options.heads, 'lambda': options.sparsity,
            'normalisesTargets': normalises_targets}


def save(model, texts, path):
    """Writes a model file that `crate` reads, whole or not at all."""
    texts = {'format': 'pt', 'normalisation': json.dumps({'mean': MEAN, 'deviation': DEVIATION}), **texts}
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, f'{path}.partial', metadata=texts)
    os.replace(f'{path}.partial', path)
