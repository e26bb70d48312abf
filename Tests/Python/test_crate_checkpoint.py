"""Out of crate and into PyTorch and back. CRATE is the program; Tests/CommandTests/PyTorchTests.swift sets it."""
import json
import os
import pickle
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'Checkpoints'))
import crate_checkpoint  # noqa: E402

CRATE = os.environ.get('CRATE', ROOT / '.build/release/crate')
GOLDEN = ROOT / 'Tests/TrainingTests/Golden'


class Code:
    def __reduce__(self):
        return os.system, ('touch executed',)


def positions(dim, grid):
    """The fixed table, computed in double precision. (1, T, D)"""
    frequency = 10000 ** (-torch.arange(dim // 4).double() / (dim / 4))
    row, column = torch.meshgrid(torch.arange(grid).double(), torch.arange(grid).double(), indexing='ij')
    parts = [f(p.reshape(-1, 1) * frequency) for p in (column, row) for f in (torch.sin, torch.cos)]
    return torch.cat([torch.zeros(1, dim).double(), torch.cat(parts, 1)])[None].float()


class CheckpointTests(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_command(self, *words, fails=False):
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=self.folder, timeout=120)
        self.assertEqual(done.returncode != 0, fails, done.stderr)
        if fails:
            self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        return done.stderr if fails else done.stdout

    def published(self, **sizes):
        """A random model of the published layout as out.safetensors, by way of a .pth; and its state dict."""
        torch.manual_seed(1)
        model = crate_checkpoint.CrateMAE(**sizes)
        dim, grid = sizes.get('dim', 384), sizes.get('image_size', 224) // sizes.get('patch', 16)
        model.decoder_pos_embed.data = positions(dim, grid)
        model.pos_embed.data = positions(dim, grid)
        torch.save({'model': model.state_dict()}, self.folder / 'in.pth')
        script = ROOT / 'Checkpoints/crate_checkpoint.py'
        self.run_command(sys.executable, script, 'convert', 'in.pth', 'out.safetensors')
        return model.state_dict()

    def assertSameBits(self, state, other):
        self.assertEqual(state.keys(), other.keys())
        for name, values in state.items():
            self.assertTrue(torch.equal(values.view(torch.int32), other[name].view(torch.int32)), name)

    def test_published_weights_go_in_and_come_out_with_the_same_bits(self):
        state = self.published()
        self.assertSameBits(state, load_file(self.folder / 'out.safetensors'))
        self.run_command(CRATE, 'import', 'out.safetensors', '--run', 'run', '--heads', 6, '--lambda', 0.5)
        self.run_command(CRATE, 'export', '--checkpoint', 'run', '--output', 'again.safetensors')
        self.assertSameBits(state, crate_checkpoint.load(self.folder / 'again.safetensors').state_dict())
        texts = crate_checkpoint.metadata(self.folder / 'again.safetensors')
        self.assertEqual((texts['step'], texts['run'], texts['format']), ('0', 'run', 'pt'))
        self.assertEqual(json.loads(texts['config'])['imageSize'], 224)

    def test_golden_predictions(self):
        for name in ('mae_pixels', 'mae_normalised', 'mae_one_head'):
            path = GOLDEN / f'{name}.safetensors'
            config, tensors = json.loads(crate_checkpoint.metadata(path)['config']), load_file(path)
            model = crate_checkpoint.CrateMAE(
                config.get('img_size', 224), config.get('patch', 16), config['dim'], config['depth'], config['heads'],
                config.get('lambd', 0.5), config.get('decoder_depth')).double()
            weights = {key[6:]: x.double() for key, x in tensors.items() if key.startswith('model.')}
            unused = {key: x for key, x in model.state_dict().items() if key not in weights}
            self.assertLessEqual(unused.keys(), {'pos_embed', 'decoder_embed.weight', 'decoder_embed.bias'})
            model.load_state_dict({**unused, **weights}, strict=True)
            n = config['batch']
            predicted = model(tensors['input.images'][:n].double(), tensors['input.masks'][:n])
            expected = tensors['output.pred'].double().reshape(predicted.shape)
            self.assertLess(((predicted - expected).norm() / expected.norm()).item(), 1e-5)
            predicted.square().sum().backward()
            for key, x in model.named_parameters():
                if x.requires_grad and not key.startswith('decoder_embed'):
                    self.assertGreater(x.grad.norm().item(), 0, key)

    def test_encoder_bf16_and_image_size(self):
        sizes = {'image_size': 32, 'patch': 8, 'dim': 48, 'depth': 2, 'heads': 3}
        state = self.published(**sizes)
        self.run_command(CRATE, 'import', 'out.safetensors', '--run', 'run', '--heads', 3, '--lambda', 0.5)
        export = [CRATE, 'export', '--checkpoint', 'run', '--output']
        self.run_command(*export, 'half.safetensors', '--type', 'bf16')
        for name, values in load_file(self.folder / 'half.safetensors').items():
            self.assertTrue(torch.equal(values, state[name].bfloat16()), name)
        self.run_command(*export, 'encoder.safetensors', '--encoder', '--image-size', 48)
        encoder = crate_checkpoint.load(self.folder / 'encoder.safetensors')
        self.assertEqual(encoder(torch.randn(2, 3, 48, 48)).shape, (2, 37, 48))
        self.assertLess((encoder.pos_embed - positions(48, 6)).abs().max().item(), 1e-5)

    def test_bad_inputs_are_refused_in_one_line(self):
        state = self.published(image_size=32, patch=8, dim=48, depth=2, heads=3)
        (self.folder / 'code.pth').write_bytes(pickle.dumps(Code()))
        torch.save({'model': Code()}, self.folder / 'code2.pth')
        script = ROOT / 'Checkpoints/crate_checkpoint.py'
        for name in ('code.pth', 'code2.pth', 'none.pth'):
            self.run_command(sys.executable, script, 'convert', name, 'x.safetensors', fails=True)
        self.assertFalse((self.folder / 'executed').exists())
        self.assertFalse((self.folder / 'x.safetensors').exists())

        def refused(changed, text, *more):
            save_file(changed, self.folder / 'bad.safetensors')
            words = [CRATE, 'import', 'bad.safetensors', '--run', 'bad', '--heads', 3, '--lambda', 0.5, *more]
            self.assertIn(text, self.run_command(*words, fails=True))
            self.assertFalse((self.folder / 'bad/checkpoints').exists())
        refused({k: v for k, v in state.items() if k != 'norm.weight'}, 'lacks: norm.weight')
        refused({**state, 'head.bias': torch.ones(3)}, 'has too many: head.bias')
        refused({**state, 'norm.bias': torch.ones(3)}, 'norm.bias ([3] instead of [48])')
        refused({**state, 'decoder_pos_embed': torch.ones(1, 17, 48)}, 'sine-cosine')
        refused({'conv.weight': torch.ones(3)}, 'holds no CRATE-MAE')
        whole = (self.folder / 'out.safetensors').read_bytes()
        (self.folder / 'cut.safetensors').write_bytes(whole[:-100])
        self.run_command(CRATE, 'import', 'cut.safetensors', '--run', 'bad', '--heads', 3, '--lambda', 0.5, fails=True)
        self.assertIn('--heads', self.run_command(CRATE, 'import', 'out.safetensors', '--run', 'bad', fails=True))


if __name__ == '__main__':
    unittest.main()
