"""Compares crate attention and crate pca with PyTorch on the same weights. CRATE is the program."""
import struct
import subprocess
import tempfile
import unittest
import zlib
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from test_crate_checkpoint import CRATE, crate_checkpoint, positions

SIDE, PATCH, DIM, DEPTH, HEADS = 28, 4, 48, 3, 3
STORED = 32  # evaluation uses 7/8 of it, the model's 28 pixels, without resampling
SIZES = {'image_size': SIDE, 'patch': PATCH, 'dim': DIM, 'depth': DEPTH, 'heads': HEADS}


def png(pixels):
    """8-bit RGB pixels (S, S, 3) encoded as PNG."""
    def chunk(kind, content):
        return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))
    rows = b''.join(b'\0' + bytes(row.flatten().tolist()) for row in pixels)
    header = struct.pack('>IIBBBBB', pixels.shape[1], pixels.shape[0], 8, 2, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', header) + chunk(b'IDAT', zlib.compress(rows)) + chunk(b'IEND', b'')


def attention_of(layer, x):
    """softmax(U U^T / sqrt(P)) for each head. (N, T, D) -> (N, H, T, T)"""
    u = layer.qkv(x).unflatten(-1, (layer.heads, -1)).transpose(1, 2)
    return (u @ u.mT / u.shape[-1] ** 0.5).softmax(-1)


def places(tokens):
    """Projection onto the first three eigenvectors of the covariance, with positive largest entry. (N, L, D) -> (N, L, 3)"""
    rows = tokens.flatten(0, 1)
    centred = rows - rows.mean(0)
    axes = torch.linalg.eigh(centred.T @ centred / len(rows)).eigenvectors.flip(1)[:, :3]
    axes = axes * axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
    return (centred @ axes).unflatten(0, tokens.shape[:2])


class PictureTests(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        torch.manual_seed(2)
        # Coarse blocks and noise, so that tokens differ by more than their positions.
        coarse = torch.rand(5, 8, 8, 3).repeat_interleave(4, 1).repeat_interleave(4, 2)
        self.pixels = (255 * (0.8 * coarse + 0.2 * torch.rand(5, STORED, STORED, 3))).to(torch.uint8)
        for number, pixels in enumerate(self.pixels):
            (self.folder / f'{number}.png').write_bytes(png(pixels))

    def run_command(self, *words):
        done = subprocess.run([str(x) for x in words], capture_output=True, text=True, cwd=self.folder, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)

    def imported(self, model, sparsity):
        """Writes `model` as a run of crate; returns it in double precision."""
        save_file({name: x.contiguous() for name, x in model.state_dict().items()}, self.folder / 'in.safetensors')
        self.run_command(
            CRATE, 'import', 'in.safetensors', '--run', 'run', '--heads', HEADS, '--lambda', sparsity)
        return model.double().eval()

    def inputs(self):
        mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        inner = slice((STORED - SIDE) // 2, (STORED + SIDE) // 2)
        pixels = self.pixels[:, inner, inner].double() / 255
        return ((pixels - mean) / deviation).permute(0, 3, 1, 2)

    def drawn(self, command, block, *more):
        output = '-'.join(map(str, (command, block, *more)))
        files = [f'{number}.png' for number in range(len(self.pixels))]
        self.run_command(
            CRATE, command, '--checkpoint', 'run', '--output', output, '--layer', block, '--values', *more, *files)
        path = self.folder / output / 'values.safetensors'
        self.assertEqual(crate_checkpoint.metadata(path)['layer'], str(block))
        (values,) = load_file(path).values()
        return values.double()

    def compare(self, model, blocks, grid, *options):
        """Compares every layer of `model`, whose encoder blocks are pairs of attention and ISTA, on grid x grid patches."""
        maps, tokens = [], []
        for attention, ista in blocks:
            hooks = [
                attention.register_forward_hook(
                    lambda layer, given, _: maps.append(attention_of(layer.fn, layer.norm(given[0]))[:, :, 0, 1:])),
                ista.register_forward_hook(lambda _, __, output: tokens.append(output[:, 1:]))]
            for hook in hooks:
                self.addCleanup(hook.remove)
        with torch.no_grad():
            model(self.inputs())
            self.assertEqual((len(maps), len(tokens)), (DEPTH, DEPTH))
            for block in range(DEPTH):
                expected = maps[block].unflatten(2, (grid, grid))
                shown = self.drawn('attention', block + 1, *options)
                self.assertEqual(shown.shape, expected.shape)
                self.assertGreater((expected.amax((2, 3)) / expected.amin((2, 3))).min().item(), 1.01)
                self.assertLess(((shown - expected).norm() / expected.norm()).item(), 1e-4)
                expected = places(tokens[block]).unflatten(1, (grid, grid))
                shown = self.drawn('pca', block + 1, *options)
                self.assertEqual(shown.shape, expected.shape)
                for axis in range(3):
                    difference = (shown - expected)[..., axis].norm() / expected[..., axis].norm()
                    self.assertLess(difference.item(), 1e-4, f'block {block + 1}, component {axis + 1}')

    def autoencoder(self):
        model = crate_checkpoint.CrateMAE(**SIZES)
        model.pos_embed.data = positions(DIM, SIDE // PATCH)
        model.decoder_pos_embed.data = positions(DIM, SIDE // PATCH)
        return self.imported(model, 0.5)

    def test_autoencoder(self):
        model = self.autoencoder()
        blocks = [block.layers[0] for block in model.blocks]
        self.compare(lambda images: model(images, torch.zeros(len(images), 49)), blocks, 7)

    def test_overlapping_patches(self):
        model = self.autoencoder()
        blocks = [block.layers[0] for block in model.blocks]
        model.patch_embed.proj.stride = 2
        model.decoder_pos_embed.data = positions(DIM, 13, trained=7).double()
        self.compare(lambda images: model(images, torch.zeros(len(images), 169)), blocks, 13, '--stride', 2)

    def test_classifier(self):
        model = self.imported(crate_checkpoint.CrateClassifier(**SIZES, classes=5), 0.1)
        self.compare(model, model.transformer.layers, 7)


if __name__ == '__main__':
    unittest.main()
