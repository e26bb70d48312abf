"""Export to PyTorch and import from it. CRATE is the program, set by Tests/CommandTests/PyTorchTests.swift."""
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

os.environ['PYTHONPATH'] = str(ROOT / 'Checkpoints')
CONVERT = (sys.executable, '-m', 'crate_checkpoint', 'convert')

CRATE = os.environ.get('CRATE', ROOT / '.build/release/crate')
SYSTEM_PYTHON = '/usr/bin/python3'  # for which Launch/setup --tests installs h5py
GOLDEN = ROOT / 'Tests/DiagnosticsTests/Golden'


class Code:
    def __reduce__(self):
        return os.system, ('touch executed',)


def positions(dim, grid, trained=None):
    """The fixed position table in double precision, or between the positions of a model with `trained` patches per side. (1, T, D)"""
    places = (torch.arange(grid).double() + 0.5) * (trained or grid) / grid - 0.5
    frequency = 10000 ** (-torch.arange(dim // 4).double() / (dim / 4))
    row, column = torch.meshgrid(places, places, indexing='ij')
    parts = [f(p.reshape(-1, 1) * frequency) for p in (column, row) for f in (torch.sin, torch.cos)]
    return torch.cat([torch.zeros(1, dim).double(), torch.cat(parts, 1)])[None].float()


class CheckpointTests(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def run_command(self, *words, fails=False):
        words = [str(word) for word in words]
        done = subprocess.run(words, capture_output=True, text=True, cwd=self.folder, timeout=120)
        self.assertEqual(done.returncode != 0, fails, done.stderr)
        if fails:
            self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        return done.stderr if fails else done.stdout

    def published(self, kind=crate_checkpoint.CrateMAE, **sizes):
        """Writes a random model in the published layout to out.safetensors through a .pth file; returns its state dict."""
        torch.manual_seed(1)
        model = kind(**sizes)
        dim, grid = sizes.get('dim', 384), sizes.get('image_size', 224) // sizes.get('patch', 16)
        if kind is crate_checkpoint.CrateMAE:
            model.decoder_pos_embed.data = positions(dim, grid)
            model.pos_embed.data = positions(dim, grid)
        torch.save({'model': model.state_dict()}, self.folder / 'in.pth')
        self.run_command(*CONVERT, 'in.pth', 'out.safetensors')
        return model.state_dict()

    def assertSameBits(self, state, other):
        self.assertEqual(state.keys(), other.keys())
        for name, values in state.items():
            self.assertTrue(torch.equal(values.view(torch.int32), other[name].view(torch.int32)), name)

    def test_published_weights_survive_import_and_export(self):
        state = self.published()
        self.assertSameBits(state, load_file(self.folder / 'out.safetensors'))
        self.run_command(CRATE, 'import', 'out.safetensors', '--run', 'run', '--heads', 6, '--lambda', 0.5)
        self.run_command(CRATE, 'export', '--checkpoint', 'run', '--output', 'again.safetensors')
        self.assertSameBits(state, crate_checkpoint.load(self.folder / 'again.safetensors').state_dict())
        texts = crate_checkpoint.metadata(self.folder / 'again.safetensors')
        self.assertEqual((texts['step'], texts['run'], texts['format']), ('0', 'run', 'pt'))
        self.assertEqual(json.loads(texts['config'])['imageSize'], 224)

    def images(self, count):
        """Images read from shards: photographs if CRATE_DATA is set, otherwise synthetic images. (count, 3, 224, 224)"""
        source = Path(os.environ.get('CRATE_DATA', 'none')) / 'imagenet-sample/val'
        if not source.is_dir():
            source = self.folder / 'drawn'
            self.run_command(CRATE, 'synthesize', source, '--images', count, '--image-size', 256)
        self.run_command(CRATE, 'shard', source, 'shards', '--image-size', 224, '--patch-size', 16)
        script = 'import h5py, sys; h5py.File(sys.argv[1])["patches"][:int(sys.argv[2])].tofile(sys.argv[3])'
        self.run_command(SYSTEM_PYTHON, '-c', script, 'shards/shard-00000.h5', count, 'patches')
        patches = torch.frombuffer(bytearray((self.folder / 'patches').read_bytes()), dtype=torch.uint8).float() / 255
        mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        patches = (patches.reshape(count, 14, 14, 16, 16, 3) - mean) / deviation
        return patches.permute(0, 5, 1, 3, 2, 4).reshape(count, 3, 224, 224)

    @unittest.skipIf(subprocess.run([SYSTEM_PYTHON, '-c', 'import h5py'], capture_output=True).returncode, 'no h5py')
    def test_predictions_and_gradients_on_16_images(self):
        self.published()
        self.run_command(CRATE, 'import', 'out.safetensors', '--run', 'run', '--heads', 6, '--lambda', 0.5)
        self.run_command(CRATE, 'export', '--checkpoint', 'run', '--output', 'again.safetensors')
        model = crate_checkpoint.load(self.folder / 'again.safetensors')
        images = self.images(16)
        masks = (torch.rand(16, 196).argsort(1) >= 49).float()
        outputs = {}
        for part in ('encoder', 'decoder'):
            for index, block in enumerate(getattr(model, 'blocks' if part == 'encoder' else 'decoder_blocks')):
                block.register_forward_hook(
                    lambda _, __, output, name=f'output.{part}.{index}': outputs.__setitem__(name, output.detach()))
        predicted = model(images, masks)
        targets = images.reshape(16, 3, 14, 16, 14, 16).permute(0, 2, 4, 3, 5, 1).reshape(16, 196, 768)
        loss = (((predicted - targets) ** 2).mean(2) * masks).sum() / masks.sum()
        loss.backward()
        weights = {name: x.detach() for name, x in model.state_dict().items()}
        gradients = {f'grad.{name}': x.grad for name, x in model.named_parameters() if x.grad is not None}
        self.assertEqual(len(gradients) + 4, len(weights))
        # A case without training steps; its second batch is present but not used.
        case = {**outputs, **gradients, 'output.pred': predicted.detach(), 'output.loss': loss.detach().reshape(1),
                'input.images': torch.cat([images, images]), 'input.masks': torch.cat([masks, masks]),
                'step.rate': torch.zeros(0), 'step.loss': torch.zeros(0)}
        case.update({f'{part}.{name}': x.clone() for name, x in weights.items() for part in ('model', 'step.model')})
        texts = {'config': json.dumps({'kind': 'mae', 'batch': 16, 'lambd': 0.5})}
        save_file({name: x.contiguous() for name, x in case.items()}, self.folder / 'case.safetensors', texts)
        self.run_command(CRATE, 'compare', 'case.safetensors', '--tolerance', 1e-4)

    def test_supervised_weights_survive_import_and_export(self):
        state = self.published(
            crate_checkpoint.CrateClassifier, image_size=32, patch=8, dim=48, depth=2, heads=3, classes=5)
        self.run_command(CRATE, 'import', 'out.safetensors', '--run', 'run', '--heads', 3, '--lambda', 0.1)
        export = [CRATE, 'export', '--checkpoint', 'run', '--output']
        self.run_command(*export, 'again.safetensors', '--classifier')
        self.assertSameBits(state, crate_checkpoint.load(self.folder / 'again.safetensors').state_dict())
        self.assertIn('classifier', self.run_command(*export, 'no.safetensors', '--encoder', fails=True))
        self.run_command(*export, 'large.safetensors', '--image-size', 48)
        learned = state['pos_embedding'][:, 1:].reshape(1, 4, 4, 48).permute(0, 3, 1, 2)
        expected = torch.nn.functional.interpolate(learned, size=(6, 6), mode='bicubic', align_corners=False)
        model = crate_checkpoint.load(self.folder / 'large.safetensors')
        self.assertEqual(model(torch.randn(2, 3, 48, 48)).shape, (2, 5))
        difference = model.pos_embedding[0, 1:] - expected.permute(0, 2, 3, 1).reshape(36, 48)
        self.assertLess(difference.abs().max().item(), 1e-5)
        self.assertTrue(torch.equal(model.pos_embedding[0, 0], state['pos_embedding'][0, 0]))

    def test_golden_logits(self):
        path = GOLDEN / 'classifier.safetensors'
        config, tensors = json.loads(crate_checkpoint.metadata(path)['config']), load_file(path)
        model = crate_checkpoint.CrateClassifier(
            config['img_size'], config['patch'], config['dim'], config['depth'], config['heads'],
            classes=config['classes'])
        model.load_state_dict({key[6:]: x for key, x in tensors.items() if key.startswith('model.')}, strict=True)
        expected = tensors['output.logits'].double()
        logits = model.double()(tensors['input.images'].double())
        self.assertLess(((logits - expected).norm() / expected.norm()).item(), 1e-5)

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
        self.assertLess((encoder.pos_embed - positions(48, 6, trained=4)).abs().max().item(), 1e-5)
        # The file records the trained grid of its table, so it can be imported again and exported at the original size.
        self.run_command(*export, 'large.safetensors', '--image-size', 48)
        self.run_command(CRATE, 'import', 'large.safetensors', '--run', 'large')
        self.run_command(
            CRATE, 'export', '--checkpoint', 'large', '--output', 'again.safetensors', '--image-size', 32)
        for name, values in load_file(self.folder / 'again.safetensors').items():
            self.assertLess((values - state[name]).abs().max().item(), 1e-5, name)

    def test_bad_inputs_are_rejected_in_one_line(self):
        state = self.published(image_size=32, patch=8, dim=48, depth=2, heads=3)
        (self.folder / 'code.pth').write_bytes(pickle.dumps(Code()))
        torch.save({'model': Code()}, self.folder / 'code2.pth')
        for name in ('code.pth', 'code2.pth', 'none.pth'):
            self.run_command(*CONVERT, name, 'x.safetensors', fails=True)
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
        refused({'conv.weight': torch.ones(3)}, 'holds no published model')
        refused({'mlp_head.1.weight': torch.ones(3, 48), 'patch_embed.proj.weight': torch.ones(48, 3, 8, 8)},
                'no to_patch_embedding.2.weight')
        whole = (self.folder / 'out.safetensors').read_bytes()
        (self.folder / 'cut.safetensors').write_bytes(whole[:-100])
        self.run_command(CRATE, 'import', 'cut.safetensors', '--run', 'bad', '--heads', 3, '--lambda', 0.5, fails=True)
        self.assertIn('--heads', self.run_command(CRATE, 'import', 'out.safetensors', '--run', 'bad', fails=True))


if __name__ == '__main__':
    unittest.main()
