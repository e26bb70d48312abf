"""Compares the PyTorch scripts of Launch/quality with the program: crops, initial values, and results of the models they write."""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]
QUALITY = ROOT / 'Tests/Quality'
sys.path.insert(0, str(QUALITY))
import recipe  # noqa: E402
import crate_checkpoint  # noqa: E402

CRATE = os.environ.get('CRATE', ROOT / '.build/release/crate')
SYSTEM_PYTHON = '/usr/bin/python3'  # for which Launch/setup --tests installs h5py
SHAPE = ('--dim', 48, '--depth', 1, '--heads', 3, '--patch-size', 4, '--lambda', 0.1)
VIT = ('--dim', 48, '--depth', 1, '--heads', 3, '--patch-size', 4, '--architecture', 'vit', '--decoder-dim', 32,
       '--decoder-depth', 2, '--decoder-heads', 2)
BATCH = ('--batch-size', 16, '--steps')


def has_h5py():
    return subprocess.run([SYSTEM_PYTHON, '-c', 'import h5py'], capture_output=True).returncode == 0


class CropTests(unittest.TestCase):
    def test_crops_are_resized_like_torch(self):
        torch.manual_seed(0)
        # Pixel values whose overshoot is never clipped; crate clips after each pass.
        images = torch.randint(64, 192, (40, 32, 32, 3), dtype=torch.uint8)
        crops, mirrored = recipe.draw_crops(40, 32), torch.rand(40) < 0.5
        found = recipe.cropped(images, crops, mirrored)
        for image, result, turned, *crop in zip(images, found, mirrored, *crops):
            x, y, width, height = (int(value) for value in crop)
            part = image[y:y + height, x:x + width].permute(2, 0, 1)[None].float()
            whole = F.interpolate(part, (32, 32), mode='bicubic', antialias=True, align_corners=False)[0].clamp(0, 255)
            expected = recipe.normalised(whole.flip(2) if turned else whole)
            # The rounding between the two passes is half a level, amplified by the overshoot of the kernel.
            self.assertLess((result - expected).abs().max().item() * 255 * min(recipe.DEVIATION), 1)

    def test_crops_are_inside_the_image_with_requested_areas_and_ratios(self):
        torch.manual_seed(0)
        column, row, width, height = recipe.draw_crops(20_000, 32)
        self.assertTrue(((column >= 0) & (row >= 0) & (column + width <= 32) & (row + height <= 32)).all())
        area, ratio = width * height / 32 ** 2, width / height
        self.assertTrue(0.18 < area.min() < 0.22 and area.max() == 1)
        self.assertTrue(0.7 < ratio.min() < 0.77 and 1.3 < ratio.max() < 1.43)
        for place, extent in ((column, width), (row, height)):
            spare = 32 - extent
            self.assertTrue((place == 0).any() and ((place == spare) & (spare > 8)).any())
            self.assertAlmostEqual((place / spare)[spare > 0].mean().item(), 0.5, delta=0.02)


class ScheduleTests(unittest.TestCase):
    def test_learning_rate_warms_up_for_a_twentieth_and_decays_to_zero(self):
        rates = [recipe.rate(step, 200, 2.0) for step in range(200)]
        self.assertEqual([rates[0], rates[5], rates[10]], [0, 1, 2])
        self.assertAlmostEqual(rates[105], 1)
        self.assertLess(rates[199], 1e-3)

    def test_every_epoch_contains_every_sample_once(self):
        order = torch.cat(list(recipe.batches(10, 4, 5)))
        self.assertEqual([sorted(epoch.tolist()) for epoch in order.split(10)], [list(range(10))] * 2)
        self.assertNotEqual(order[:10].tolist(), order[10:].tolist())


@unittest.skipUnless(has_h5py(), f'{SYSTEM_PYTHON} has no h5py; run: Launch/setup --tests')
class PeerTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        for name, seed in (('train', 1), ('val', 2)):
            cls.run_command(CRATE, 'synthesize', f'images-{name}', '--images', 120, '--classes', 3, '--image-size', 32,
                            '--seed', seed)
            cls.run_command(CRATE, 'shard', f'images-{name}', name, '--image-size', 32, '--patch-size', 4,
                            '--shard-size', 50)
            cls.run_command(SYSTEM_PYTHON, QUALITY / 'arrays.py', name, f'{name}.npz')

    @classmethod
    def run_command(cls, *words):
        words = [str(word) for word in words]
        done = subprocess.run(words, capture_output=True, text=True, cwd=cls.folder, timeout=240)
        if done.returncode:
            raise AssertionError(f'{" ".join(words)}: {done.stderr}')
        return done.stdout

    def peer(self, script, *options, shape=SHAPE):
        """The parameters of the script's model, and its parsed output."""
        said = self.run_command(sys.executable, QUALITY / script, '--shards', 'train.npz', '--validation', 'val.npz',
                                '--output', 'peer.safetensors', *shape, *options)
        return load_file(self.folder / 'peer.safetensors'), json.loads(said)

    def evaluated(self, pattern, checkpoint='peer.safetensors'):
        said = self.run_command(CRATE, 'evaluate', '--checkpoint', checkpoint, '--data', 'val')
        return float(re.search(pattern, said).group(1))

    def assert_similar_initial_values(self, command, script, *options, shape=SHAPE):
        """With learning rate 0 a run ends with its initial values: compares mean and standard deviation of every parameter."""
        run = f'begun-{command}-{len(shape)}'
        self.run_command(CRATE, command, '--data', 'train', '--run', run, '--image-size', 32, *shape, *BATCH, 1, '--lr', 0,
                         *options)
        self.run_command(CRATE, 'export', '--checkpoint', run, '--output', 'ours.safetensors')
        ours = load_file(self.folder / 'ours.safetensors')
        theirs, _ = self.peer(script, *BATCH, 1, '--lr', 0, shape=shape)
        self.assertEqual(set(ours), set(theirs))
        for name, values in ours.items():
            if name.startswith('decoder_embed') and shape is SHAPE:  # unused
                continue
            if values.max() == values.min() or name in ('pos_embed', 'decoder_pos_embed'):
                torch.testing.assert_close(theirs[name], values, rtol=0, atol=1e-6, msg=name)
                continue
            width = values.numel() ** -0.5 * values.std()
            self.assertLess((values.mean() - theirs[name].mean()).abs(), 6 * width, name)
            self.assertLess((values.std() - theirs[name].std()).abs(), 5 * width, name)

    def test_pretraining_starts_from_similar_weights(self):
        self.assert_similar_initial_values('pretrain', 'pretrain_peer.py')
        self.assert_similar_initial_values('pretrain', 'pretrain_peer.py', shape=VIT)

    def test_training_starts_from_similar_weights(self):
        self.assert_similar_initial_values('train', 'train_peer.py', '--optimizer', 'adamw')

    def test_program_reproduces_the_loss_of_a_pretrained_model(self):
        for shape in (VIT, SHAPE):
            _, said = self.peer('pretrain_peer.py', *BATCH, 60, '--lr', 3e-3, shape=shape)
            self.assertLess(said['validation_loss'], 0.97)
            self.assertAlmostEqual(self.evaluated(r'loss ([\d.]+)') / said['validation_loss'], 1, delta=0.03)  # other masks
        found = self.run_command(CRATE, 'probe', '--checkpoint', 'peer.safetensors', '--train', 'train', '--validation', 'val',
                                 '--layers', 'all', '--neighbours', 0, '--json')
        self.assertEqual(len(found.splitlines()), 2)

    def test_program_reproduces_the_accuracy_of_a_classifier(self):
        _, said = self.peer('train_peer.py', *BATCH, 20)
        self.assertAlmostEqual(self.evaluated(r'loss ([\d.]+)'), said['validation_loss'], delta=1e-4)
        self.assertAlmostEqual(self.evaluated(r'top-1 ([\d.]+)%'), 100 * said['correct'] / said['total'], delta=0.01)

    def test_loader_reproduces_the_results_of_a_fine_tuned_encoder(self):
        size = ('--image-size', 32, *SHAPE)
        self.run_command(CRATE, 'pretrain', '--data', 'train', '--run', 'encoder', *size, *BATCH, 2)
        images, labels, _ = recipe.load(self.folder / 'val.npz')
        for pooling in ('mean', 'class'):
            self.run_command(CRATE, 'finetune', '--from', 'encoder', '--data', 'train', '--run', pooling, *BATCH, 20,
                             '--pooling', pooling, '--lr', 3e-3)
            self.run_command(CRATE, 'export', '--checkpoint', pooling, '--output', f'{pooling}.safetensors')
            model = crate_checkpoint.load(self.folder / f'{pooling}.safetensors')
            self.assertIsInstance(model, crate_checkpoint.EncoderUnderHead)
            with torch.no_grad():
                logits = model(recipe.whole(images))
            self.assertAlmostEqual(
                self.evaluated(r'loss ([\d.]+)', pooling), F.cross_entropy(logits, labels).item(), delta=1e-4)
            self.assertAlmostEqual(
                self.evaluated(r'top-1 ([\d.]+)%', pooling), 100 * (logits.argmax(1) == labels).float().mean().item(),
                delta=0.01)


if __name__ == '__main__':
    unittest.main()
