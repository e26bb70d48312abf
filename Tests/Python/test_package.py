"""The package crate_checkpoint beside the program: features, attention, losses and pixels, and its command and wheel."""
import json
import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

import numpy
import safetensors
import torch
from safetensors.torch import load_file, save_file

import crate_checkpoint
from crate_checkpoint import preprocessing
from crate_checkpoint.models import patches_of
from package_support import ARCHITECTURES, ProgramTests
from test_crate_checkpoint import CRATE, ROOT, SYSTEM_PYTHON

HAS_H5PY = subprocess.run([SYSTEM_PYTHON, '-c', 'import h5py'], capture_output=True).returncode == 0


@unittest.skipUnless(HAS_H5PY, 'the system\'s Python has no h5py; run: Launch/setup --tests')
class AgreementTests(ProgramTests):
    kinds = [(name, command) for name in ARCHITECTURES for command in ('pretrain', 'finetune', 'train')]

    def each(self):
        for (architecture, command), path in self.trained.items():
            with self.subTest(architecture=architecture, command=command):
                yield path, crate_checkpoint.load(path)

    def inputs(self, model):
        return torch.from_numpy(crate_checkpoint.preprocess(self.stored_images(), model.description, stored=True))

    def test_features_of_all_layers(self):
        for path, model in self.each():
            self.command(CRATE, 'features', '--checkpoint', path.name, '--data', 'shards', '--layers', 'all',
                         '--pooling', 'mean', 'class', '--output', f'{path.stem}.h5')
            for pooling in ('mean', 'class'):
                for layer in (1, 2, None):
                    (expected,) = self.read_hdf5(f'{path.stem}.h5', f'{pooling}.{layer or "norm"}')
                    with torch.no_grad():
                        self.assertClose(model.features(self.inputs(model), layer, pooling), expected)

    def test_attention_and_framing_of_files(self):
        files = sorted(self.folder.glob('images/*/*'))[:3]
        for path, model in self.each():
            for layer in (1, 2):
                output = f'{path.stem}-attention-{layer}'
                self.command(CRATE, 'attention', '--checkpoint', path.name, '--output', output, '--layer', layer, '--values', *files)
                expected = load_file(self.folder / output / 'values.safetensors')['attention']
                images = torch.from_numpy(crate_checkpoint.preprocess(files, model.description))
                with torch.no_grad():
                    maps = model.attention(images, layer)[:, :, 0, 1:].unflatten(2, (4, 4))
                self.assertClose(maps, expected)

    def test_accuracy_and_loss_of_classifiers(self):
        (labels,) = self.read_hdf5('shards/shard-00000.h5', 'labels')
        labels = torch.from_numpy(labels.astype(numpy.int64))
        for path, model in self.each():
            if model.description.part == 'autoencoder':
                continue
            text = self.command(CRATE, 'evaluate', '--checkpoint', path.name, '--data', 'shards')
            loss, top = (float(x) for x in re.search(r'loss ([\d.]+).*?top-1 ([\d.]+)', text).groups())
            with torch.no_grad():
                logits = model(self.inputs(model))
            self.assertAlmostEqual(torch.nn.functional.cross_entropy(logits, labels).item(), loss, delta=2e-5)
            self.assertAlmostEqual(100 * (logits.argmax(1) == labels).double().mean().item(), top, delta=0.01)

    def test_reconstructions(self):
        for path, model in self.each():
            if model.description.part != 'autoencoder':
                continue
            images = self.inputs(model)
            mask = (torch.rand(len(images), 16).argsort(1).argsort(1) >= 4).float()
            with torch.no_grad():
                completed, predicted = model.reconstruct(images, mask), model(images, mask)
            self.assertTrue(model.normalises_targets)
            visible = (1 - mask).bool()
            self.assertTrue(torch.equal(patches_of(completed, 8)[visible], patches_of(images, 8)[visible]))
            patches = patches_of(images, 8)
            scaled = (patches_of(completed, 8) - patches.mean(2, keepdim=True)) / (patches.var(2, keepdim=True) + 1e-6).sqrt()
            self.assertClose(scaled[mask.bool()], predicted[mask.bool()])

    def test_squares_have_the_bits_of_the_shards(self):
        index = json.loads((self.folder / 'shards/index.json').read_text())
        stored, files = self.stored_images(), sorted(self.folder.glob('images/*/*'))
        self.assertEqual(index['total'], len(files))
        made = numpy.stack([preprocessing.square(file, 32) for file in files])
        self.assertTrue(any((made[0] == image).all() for image in stored))
        self.assertEqual({image.tobytes() for image in made}, {image.tobytes() for image in stored})

    def test_verify_finds_what_is_wrong(self):
        for path, model in self.each():
            self.assertEqual(crate_checkpoint.verify(path), [])
            tensors, texts = load_file(path), crate_checkpoint.metadata(path)
            name = next(name for name in tensors if name.endswith('qkv.weight'))
            tensors[name][0, 0] = float('nan')
            removed = tensors.pop('cls_token')
            save_file(tensors, self.folder / 'bad.safetensors', texts)
            problems = crate_checkpoint.verify(self.folder / 'bad.safetensors')
            self.assertEqual(problems, [f'{name} has values that are not finite', 'cls_token is missing'])
            self.assertEqual(removed.shape[2], 48)


class PixelTests(unittest.TestCase):
    def test_resampling_is_pillows(self):
        from PIL import Image
        generator = numpy.random.default_rng(1)
        for height, width, side in ((48, 48, 32), (37, 91, 32), (20, 30, 32), (256, 301, 224), (33, 500, 28), (224, 224, 224)):
            values = generator.integers(0, 256, (height, width, 3), numpy.uint8)
            for framing in (preprocessing.evaluation(width, height, side), preprocessing.short_side(width, height, side, side)):
                resized = Image.fromarray(values).resize((framing.width, framing.height), Image.Resampling.BICUBIC)
                box = (framing.x, framing.y, framing.x + side, framing.y + side)
                expected = numpy.asarray(resized.crop(box))
                found = preprocessing.resample(values, framing)
                self.assertTrue((found == expected).all(), (height, width, side))
                exact = preprocessing.resample(values, framing, rounded=False)
                self.assertLessEqual(abs(exact - found).max(), 0.5)

    def test_stored_squares(self):
        self.assertEqual(preprocessing.stored_evaluation(256, 224).crop, 224)
        self.assertEqual(preprocessing.stored_evaluation(32, 32).crop, 32)
        self.assertEqual(preprocessing.stored_evaluation(512, 224).crop, 448)


class CommandTests(ProgramTests):
    kinds = [('crate', 'pretrain')]

    def test_without_pytorch(self):
        script = ("import sys; sys.modules['torch'] = None; import crate_checkpoint.__main__ as m; "
                  "m.main(['info', sys.argv[1]]); m.main(['info', '--json', sys.argv[1]])")
        text = self.command(sys.executable, '-c', script, self.trained['crate', 'pretrain'])
        self.assertIn('CRATE-MAE: 0.05 million numbers', text)
        self.assertEqual(json.loads(text.splitlines()[-1])['dim'], 48)

    def test_wheel_in_a_fresh_environment(self):
        source = self.folder / 'source'
        shutil.copytree(ROOT / 'Checkpoints/crate_checkpoint', source / 'crate_checkpoint',
                        ignore=shutil.ignore_patterns('__pycache__'))
        for name in ('pyproject.toml', 'README.md', 'crate_architectures.py'):
            shutil.copy(ROOT / 'Checkpoints' / name, source)
        try:
            import setuptools, wheel  # noqa: E401, F401
        except ImportError as error:
            self.skipTest(f'no {error.name}')
        self.command(sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation', '--wheel-dir', 'wheels', source)
        (wheel_file,) = self.folder.glob('wheels/crate_checkpoint-*.whl')
        self.command(sys.executable, '-m', 'venv', '--system-site-packages', 'fresh')
        python = self.folder / 'fresh/bin/python'
        self.command(python, '-m', 'pip', 'install', '-q', '--no-deps', '--no-index', wheel_file)
        script = 'import crate_checkpoint, os; print(os.path.dirname(crate_checkpoint.__file__)); import crate_architectures'
        environment = {'PATH': '/usr/bin:/bin', 'PYTHONPATH': Path(safetensors.__file__).parents[1]}
        done = subprocess.run([python, '-c', script], capture_output=True, text=True, cwd='/', env=environment)
        place = done.stdout.strip()
        self.assertTrue(place.startswith(str(self.folder)), done.stderr)
        installed = {path.name for path in (self.folder / place).iterdir()}
        self.assertLessEqual({'py.typed', 'layers.py', 'timm.py', 'modeling_crate.py'}, installed)
        done = subprocess.run([self.folder / 'fresh/bin/crate-checkpoint', '--version'], capture_output=True, text=True, env=environment)
        self.assertEqual(done.stdout.strip(), crate_checkpoint.__version__, done.stderr)

    def test_no_syntax_newer_than_python_3_9(self):
        import ast
        for path in (ROOT / 'Checkpoints').rglob('*.py'):
            ast.parse(path.read_text(), str(path), feature_version=(3, 9))


if __name__ == '__main__':
    unittest.main()
