"""Weights of ViT, CRATE-alpha and ToST, from PyTorch and back. CRATE is the program, set by Tests/CommandTests/PyTorchTests.swift."""
import functools
import importlib.util
import subprocess
import tempfile
import unittest
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from test_crate_checkpoint import CONVERT, CRATE, crate_checkpoint, positions

from crate_checkpoint import Classifier, CrateAlpha, Encoder, MaskedAutoencoder, TostClassifier, VitBlock

SIZE = {'image_size': 32, 'patch': 8, 'dim': 48, 'depth': 2, 'heads': 3}
DECODER = {'decoder_dim': 32, 'decoder_depth': 1, 'decoder_heads': 2}


class ArchitectureTests(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        torch.manual_seed(2)

    def run_command(self, *words):
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=self.folder, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def there_and_back(self, model, *options):
        """Imports the model's published weights from a .pth file and exports them; returns the model that is loaded from that."""
        torch.save({'model': model.state_dict()}, self.folder / 'in.pth')
        self.run_command(*CONVERT, 'in.pth', 'in.safetensors')
        self.run_command(CRATE, 'import', 'in.safetensors', '--run', 'run', *options)
        self.run_command(CRATE, 'export', '--checkpoint', 'run', '--output', 'out.safetensors')
        again = crate_checkpoint.load(self.folder / 'out.safetensors')
        self.assertEqual(type(again), type(model))
        for name, values in model.state_dict().items():
            self.assertTrue(torch.equal(values, again.state_dict()[name]), name)
        return again

    def test_vit_autoencoder(self):
        model = MaskedAutoencoder('vit', **SIZE, **DECODER)
        model.pos_embed.data, model.decoder_pos_embed.data = positions(48, 4), positions(32, 4)
        again = self.there_and_back(model, '--heads', 3, '--decoder-heads', 2, '--norm-pix')
        images = torch.randn(3, 3, 32, 32)
        mask = (torch.rand(3, 16).argsort(1).argsort(1) >= 4).float()
        self.assertTrue(torch.equal(model(images, mask), again(images, mask)))
        self.run_command(CRATE, 'export', '--checkpoint', 'run', '--output', 'encoder.safetensors', '--encoder')
        encoder = crate_checkpoint.load(self.folder / 'encoder.safetensors')
        self.assertIsInstance(encoder, Encoder)
        self.assertTrue(torch.equal(encoder(images), Encoder.forward(model, images)))

    def test_classifiers(self):
        for architecture, kind, options in (
                ('vit', Classifier, ['--heads', 3]), ('crate-alpha', CrateAlpha, ['--heads', 3, '--lambda', 0.1]),
                ('tost', TostClassifier, ['--lambda', 0.1])):
            for pooling in ('class', 'mean') if architecture == 'vit' else ('class',):
                with self.subTest(architecture=architecture, pooling=pooling):
                    self.setUp()
                    self.there_and_back(kind(architecture, **SIZE, classes=5, pooling=pooling), *options)

    def test_what_crate_trained_is_loaded(self):
        """Autoencoders of CRATE-alpha and ToST, which nobody has published, and classifiers on every encoder."""
        self.run_command(CRATE, 'synthesize', 'images', '--images', 16, '--classes', 2)
        self.run_command(CRATE, 'shard', 'images', 'shards', '--image-size', 32, '--patch-size', 8)
        shape = ['--dim', 48, '--depth', 2, '--heads', 3, '--image-size', 32, '--patch-size', 8]
        recipe = ['--data', 'shards', '--batch-size', 8, '--steps', 2]
        for architecture in ('crate-alpha', 'tost', 'vit'):
            with self.subTest(architecture=architecture):
                model = ['--architecture', architecture, *shape]
                self.run_command(CRATE, 'pretrain', *recipe, *model, '--run', f'{architecture}-mae')
                self.run_command(CRATE, 'finetune', *recipe, '--from', f'{architecture}-mae', '--run', f'{architecture}-tuned')
                self.run_command(CRATE, 'train', *recipe, *model, '--run', f'{architecture}-trained')
                for part, kind in (('mae', MaskedAutoencoder), ('tuned', Classifier), ('trained', None)):
                    run = f'{architecture}-{part}'
                    self.run_command(CRATE, 'export', '--checkpoint', run, '--output', f'{run}.safetensors')
                    loaded = crate_checkpoint.load(self.folder / f'{run}.safetensors')
                    self.assertIsInstance(loaded, kind or torch.nn.Module)

    def test_tables_are_checked(self):
        model = MaskedAutoencoder('vit', **SIZE, **DECODER)
        model.pos_embed.data, model.decoder_pos_embed.data = positions(48, 4), positions(32, 4).flip(1)
        save_file(model.state_dict(), self.folder / 'in.safetensors')
        done = subprocess.run([CRATE, 'import', 'in.safetensors', '--run', 'run', '--heads', '3', '--decoder-heads', '2'],
                              capture_output=True, text=True, cwd=self.folder)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn('decoder_pos_embed of in.safetensors is not the fixed sine-cosine table', done.stderr)

    @unittest.skipUnless(importlib.util.find_spec('timm'), 'no timm')
    def test_vit_is_timms(self):
        from timm.models.vision_transformer import Block, VisionTransformer
        norm = functools.partial(torch.nn.LayerNorm, eps=1e-6)
        ours = VitBlock(48, 3).double()
        theirs = Block(48, 3, qkv_bias=True, norm_layer=norm).double()
        theirs.load_state_dict(ours.state_dict(), strict=True)
        x = torch.randn(2, 17, 48).double()
        self.assertLess((ours(x) - theirs(x)).abs().max().item(), 1e-12)

        ours = Classifier('vit', **SIZE, classes=5, pooling='class').double()
        theirs = VisionTransformer(img_size=32, patch_size=8, embed_dim=48, depth=2, num_heads=3, num_classes=5).double()
        theirs.load_state_dict(ours.state_dict(), strict=True)
        images = torch.randn(2, 3, 32, 32).double()
        self.assertLess((ours(images) - theirs.eval()(images)).abs().max().item(), 1e-12)


if __name__ == '__main__':
    unittest.main()
