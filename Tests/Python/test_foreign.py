"""Weights as other programs write them: converted, or refused in one line that says what to do."""
import argparse
import json
import subprocess
import tempfile
import unittest
from pathlib import Path

import numpy
import torch
from safetensors.torch import save_file

import crate_checkpoint
import crate_checkpoint.foreign
from crate_checkpoint import Classifier, CrateAlpha, CrateClassifier, CrateMAE, Encoder, MaskedAutoencoder, TostClassifier
from package_support import needs
from test_crate_checkpoint import CONVERT, CRATE

SIZE = {'image_size': 32, 'patch': 8, 'dim': 48, 'depth': 2, 'heads': 3}
VIT = {'decoder_dim': 32, 'decoder_depth': 1, 'decoder_heads': 2}


class ForeignTests(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        torch.manual_seed(3)

    def run_convert(self, source, *options):
        words = [*CONVERT, str(source), 'out.safetensors', *map(str, options)]
        return subprocess.run(words, capture_output=True, text=True, cwd=self.folder)

    def converted(self, source, *options):
        """The model of the converted file, and what was said."""
        done = self.run_convert(source, *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return crate_checkpoint.load(self.folder / 'out.safetensors'), done.stderr

    def refused(self, source, text, *options):
        done = self.run_convert(source, *options)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(len(done.stderr.strip().splitlines()), 1, done.stderr)
        self.assertIn(text, done.stderr)
        self.assertEqual([path.name for path in self.folder.glob('out*')], [])

    def assertSame(self, model, other):
        self.assertEqual(type(model), type(other))
        for name, values in model.state_dict().items():
            self.assertTrue(torch.equal(values, other.state_dict()[name]), name)

    def training_state(self, model):
        """As training scripts save it: an optimiser, options and numbers of numpy beside the weights."""
        model(torch.randn(2, 3, 32, 32), torch.arange(16).ge(4).float().repeat(2, 1)).sum().backward()
        optimizer = torch.optim.AdamW([x for x in model.parameters() if x.requires_grad])
        optimizer.step()
        return {'model': model.state_dict(), 'optimizer': optimizer.state_dict(), 'epoch': 7, 'best': numpy.float64(0.5),
                'args': argparse.Namespace(lr=1e-3, path=Path('data')), 'scaler': {'scale': 65536.0}}

    def test_training_state_in_both_formats_is_imported_by_the_program(self):
        model = CrateMAE(**SIZE)
        for name, zipped in (('new.pth', True), ('old.pth', False)):
            torch.save(self.training_state(model), self.folder / name, _use_new_zipfile_serialization=zipped)
            again, _ = self.converted(name, '--heads', 3, '--lambda', 0.5)
            self.assertSame(model, again)
            run = [CRATE, 'import', 'out.safetensors', '--run', name[:3]]
            done = subprocess.run(run, capture_output=True, text=True, cwd=self.folder)
            self.assertEqual(done.returncode, 0, done.stderr)

    def test_prefixes(self):
        model = CrateMAE(**SIZE)
        for prefix in ('module.', '_orig_mod.', 'module._orig_mod.', 'encoder.', 'model.backbone.'):
            state = {prefix + name: x for name, x in model.state_dict().items()}
            torch.save({'state_dict': {**state, 'queue': torch.zeros(3)}}, self.folder / 'in.pth')
            again, said = self.converted('in.pth', '--heads', 3, '--lambda', 0.5)
            self.assertSame(model, again)
            self.assertIn('left out 1 tensors', said)
        two = {f'{side}.{name}': x for side in ('student', 'teacher') for name, x in model.state_dict().items()}
        torch.save(two, self.folder / 'two.pth')
        self.assertSame(model, self.converted('two.pth', '--heads', 3, '--lambda', 0.5, '--prefix', 'teacher.')[0])
        (self.folder / 'out.safetensors').unlink()
        self.refused('two.pth', 'several models, student., teacher.; choose one with --prefix')

    def test_half_precision_and_shards(self):
        model = CrateMAE(**SIZE)
        halves = {name: x.half() for name, x in model.state_dict().items()}
        torch.save(halves, self.folder / 'half.pth')
        again, _ = self.converted('half.pth', '--heads', 3, '--lambda', 0.5)
        for name, x in again.state_dict().items():
            self.assertTrue(torch.equal(x, halves[name].float()), name)
        names = sorted(halves)
        places = {name: f'model-{1 + index % 2}.safetensors' for index, name in enumerate(names)}
        for file in set(places.values()):
            save_file({name: halves[name].clone() for name in names if places[name] == file}, self.folder / file)
        (self.folder / 'model.safetensors.index.json').write_text(json.dumps({'weight_map': places}))
        for source in ('model.safetensors.index.json', '.'):
            self.assertSame(again, self.converted(source, '--heads', 3, '--lambda', 0.5)[0])
        (self.folder / 'out.safetensors').unlink()
        (self.folder / 'model-2.safetensors').unlink()
        self.refused('model.safetensors.index.json', 'model-2.safetensors')
        places[names[0]] = '../model-1.safetensors'
        (self.folder / 'model.safetensors.index.json').write_text(json.dumps({'weight_map': places}))
        self.refused('model.safetensors.index.json', 'outside of its directory')

    def test_published_layouts(self):
        """Models of each published layout; sizes whose heads and lambda are known need no options."""
        cases = [(CrateClassifier(**SIZE, classes=5), ['--heads', 3]), (MaskedAutoencoder('vit', **SIZE, **VIT), ['--heads', 3, '--decoder-heads', 2]),
                 (Classifier('vit', 32, 8, 192, 12, 3, classes=5, pooling='class'), []),
                 (CrateAlpha('crate-alpha', 32, 8, 192, 12, 3, classes=5), []), (TostClassifier('tost', **SIZE, classes=5), [])]
        for model, options in cases:
            with self.subTest(type(model).__name__):
                torch.save({'model': model.state_dict()}, self.folder / 'in.pth')
                again, said = self.converted('in.pth', *options)
                self.assertSame(model, again)
                if not options and not isinstance(model, TostClassifier):
                    self.assertIn('3 heads, as the published', said)
                done = subprocess.run([CRATE, 'import', 'out.safetensors', '--run', type(model).__name__], capture_output=True,
                                      text=True, cwd=self.folder)
                self.assertEqual(done.returncode, 0, done.stderr)

    def test_program_assumes_what_only_one_published_model_has(self):
        def imported(model, *options):
            save_file(model.state_dict(), self.folder / 'in.safetensors')
            words = [CRATE, 'import', 'in.safetensors', '--run', f'run-{len(list(self.folder.glob("run-*")))}', *map(str, options)]
            return subprocess.run(words, capture_output=True, text=True, cwd=self.folder)
        done = imported(CrateAlpha('crate-alpha', 32, 8, 192, 12, 3, classes=5))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('assuming 3 heads, as the published CRATE-alpha', done.stderr)
        self.assertIn('assuming lambda 0.1', done.stderr)
        done = imported(CrateMAE(**SIZE))
        self.assertEqual((done.returncode, len(done.stderr.strip().splitlines())), (1, 1), done.stderr)
        self.assertIn('does not say how many heads it has, nor its lambda', done.stderr)
        # Published with 6 heads and with 12.
        done = imported(CrateClassifier(16, 8, 768, 12, 12, classes=5))
        self.assertEqual(done.returncode, 1)
        self.assertIn('how many heads', done.stderr)

    def test_encoder_without_its_decoder(self):
        """As Meta publishes MAE for fine-tuning."""
        model = MaskedAutoencoder('vit', **SIZE, **VIT)
        state = {name: x for name, x in model.state_dict().items() if not name.startswith(('decoder', 'mask'))}
        torch.save({'model': state}, self.folder / 'in.pth')
        again, _ = self.converted('in.pth', '--heads', 3)
        self.assertIsInstance(again, Encoder)
        images = torch.randn(2, 3, 32, 32)
        self.assertTrue(torch.equal(again.features(images), model.eval().features(images)))

    def test_second_classifier_is_left_out(self):
        state = {**CrateClassifier(**SIZE, classes=48).state_dict(), 'head.weight': torch.zeros(9, 48), 'head.bias': torch.zeros(9)}
        torch.save({'model': state}, self.folder / 'in.pth')
        again, said = self.converted('in.pth', '--heads', 3)
        self.assertIn('left out head', said)
        self.assertEqual(again.description.classes, 48)

    def test_lambda_of_an_autoencoder_is_not_guessed(self):
        torch.save(CrateMAE(**{**SIZE, 'dim': 384, 'depth': 12, 'heads': 6}).state_dict(), self.folder / 'in.pth')
        done = self.run_convert('in.pth')
        self.assertEqual(done.returncode, 0)
        self.assertIn('0.5, the default of the authors\' code, or 0.1', done.stderr)
        self.assertNotIn('config', crate_checkpoint.metadata(self.folder / 'out.safetensors'))

    def test_what_is_no_such_model_is_refused(self):
        model = CrateMAE(**SIZE)
        state = model.state_dict()
        torch.save({name: x for name, x in state.items() if 'layers.0.1' not in name}, self.folder / 'lacks.pth')
        self.refused('lacks.pth', 'lacks: ', '--heads', 3, '--lambda', 0.5)
        torch.save({'model': {'conv.weight': torch.zeros(3)}}, self.folder / 'other.pth')
        self.refused('other.pth', 'no model that is known')
        torch.save({**state, 'cls_token': torch.zeros(1, 1, 48, dtype=torch.int8)}, self.folder / 'int.pth')
        self.refused('int.pth', 'quantised')
        torch.save({'model': state}, self.folder / 'good.pth')
        self.refused('good.pth', 'it has no ema; it has model', '--key', 'ema')
        content = (self.folder / 'good.pth').read_bytes()
        (self.folder / 'cut.pth').write_bytes(content[:len(content) // 2])
        self.refused('cut.pth', 'cut.pth: ')
        (self.folder / 'page.pth').write_text('<html>')
        self.refused('page.pth', 'not a file of torch.save')
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(self.folder / 'script.pt'))
        self.refused('script.pt', 'TorchScript')
        self.refused('none.pth', 'No such file')

    def test_forged_files(self):
        """Damaged bytes give an error of one line or the weights, never code or a hang."""
        for name, zipped in (('new.pth', True), ('old.pth', False)):
            torch.save({'model': {'x': torch.arange(6.0).reshape(2, 3)}}, self.folder / name, _use_new_zipfile_serialization=zipped)
            content = (self.folder / name).read_bytes()
            generator = numpy.random.default_rng(4)
            for _ in range(300):
                forged = bytearray(content)
                for place in generator.integers(0, len(forged), 3):
                    forged[place] = generator.integers(256)
                (self.folder / 'forged.pth').write_bytes(forged)
                try:
                    crate_checkpoint.foreign.read(self.folder / 'forged.pth')
                except (ValueError, OSError):
                    pass

    def test_shapes_beyond_what_is_stored(self):
        from crate_checkpoint.pickles import Stored, Strided
        flat = torch.arange(6.0)
        for offset, size, stride in ((0, (7,), (1,)), (2, (5,), (1,)), (0, (2, 3), (0, 9)), (-1, (2,), (1,)), (0, (1 << 39, 8), (0, 0))):
            with self.assertRaises(ValueError):
                Strided(Stored(torch.float32, '0', 6), offset, size, stride).read(flat)
        self.assertEqual(Strided(Stored(torch.float32, '0', 6), 1, (2, 2), (2, 1)).read(flat).tolist(), [[1, 2], [3, 4]])

    @needs('transformers')
    def test_transformers_vit_mae(self):
        from transformers import ViTMAEConfig, ViTMAEForPreTraining
        config = ViTMAEConfig(hidden_size=48, num_hidden_layers=2, num_attention_heads=3, intermediate_size=192, image_size=32, patch_size=8,
                              decoder_hidden_size=32, decoder_num_hidden_layers=1, decoder_num_attention_heads=2,
                              decoder_intermediate_size=128, layer_norm_eps=1e-6)
        theirs = ViTMAEForPreTraining(config).eval()
        theirs.save_pretrained(self.folder / 'theirs')
        ours, _ = self.converted('theirs', '--heads', 3, '--decoder-heads', 2)
        images, noise = torch.randn(2, 3, 32, 32), torch.rand(2, 16)
        mask = (noise.argsort(1).argsort(1) >= 4).float()
        with torch.no_grad():
            expected = theirs(images, noise=noise).logits
            self.assertLess((ours(images, mask) - expected).abs().max().item(), 1e-5)


if __name__ == '__main__':
    unittest.main()
