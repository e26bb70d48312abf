"""What the package is for others: directories for transformers, models of timm, and ONNX. Skipped where these are not installed."""
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import numpy
import torch

import crate_checkpoint
from package_support import ARCHITECTURES, ProgramTests, needs
from test_crate_checkpoint import CRATE, ROOT

os.environ['HF_HUB_OFFLINE'] = '1'
MODULES = tempfile.TemporaryDirectory()
os.environ['HF_MODULES_CACHE'] = MODULES.name
ALL_KINDS = [(name, command) for name in ARCHITECTURES for command in ('pretrain', 'finetune', 'train')]


def pictures(folder, count=4):
    from PIL import Image
    return [Image.open(path) for path in sorted(folder.glob('images/*/*'))[:count]]


class DirectoryTests(ProgramTests):
    """Without transformers."""

    kinds = ALL_KINDS

    def test_holds_the_package_and_the_same_weights(self):
        for (architecture, command), path in self.trained.items():
            target = self.folder / f'{path.stem}-hub'
            self.command(CRATE, 'export', '--checkpoint', f'{architecture}-{command}', '--format', 'huggingface', '--output', target)
            for file in target.glob('*.py'):
                self.assertEqual(file.read_bytes(), (ROOT / 'Checkpoints/crate_checkpoint' / file.name).read_bytes(), file.name)
            model, other = crate_checkpoint.load(path), crate_checkpoint.load(target)
            self.assertEqual(model.description, other.description)
            for name, values in model.state_dict().items():
                self.assertTrue(torch.equal(values, other.state_dict()[name]), name)
            card = (target / 'README.md').read_text()
            for text in ('license: other', 'To be filled in', '| Validation loss |', '| lr | 0.01 |', '| training shards | shards |'):
                self.assertIn(text, card)

    def test_nothing_half_remains(self):
        def refused(*words):
            done = subprocess.run([CRATE, 'export', '--format', 'huggingface', *map(str, words)], capture_output=True, text=True, cwd=self.folder)
            self.assertEqual((done.returncode != 0, len(done.stderr.strip().splitlines())), (True, 1), done.stderr)
        full = self.folder / 'full'
        full.mkdir()
        (full / 'mine').write_text('')
        refused('--checkpoint', 'crate-pretrain', '--output', full)
        self.assertEqual([file.name for file in full.iterdir()], ['mine'])
        refused('--checkpoint', 'crate-pretrain', '--image-size', 33, '--output', 'odd')
        refused('--checkpoint', 'none', '--output', 'odd')
        self.assertFalse((self.folder / 'odd').exists())
        self.assertEqual(list(self.folder.glob('*.partial')), [])


@needs('transformers')
class TransformersTests(ProgramTests):
    kinds = ALL_KINDS

    def directory(self, path):
        target = self.folder / f'{path.stem}-hub'
        if not target.exists():
            self.command(CRATE, 'export', '--checkpoint', path.stem, '--format', 'huggingface', '--output', target)
        return str(target)

    def test_models_and_images_are_the_programs(self):
        from transformers import AutoImageProcessor, AutoModel, AutoModelForImageClassification, AutoModelForPreTraining
        for (architecture, command), path in self.trained.items():
            hub, ours = self.directory(path), crate_checkpoint.load(path)
            inputs = AutoImageProcessor.from_pretrained(hub, trust_remote_code=True)(pictures(self.folder), return_tensors='pt')
            squares = [crate_checkpoint.preprocessing.square(image, 32) for image in pictures(self.folder)]
            images = torch.from_numpy(crate_checkpoint.preprocess(squares, ours.description, stored=True))
            self.assertTrue(torch.equal(inputs['pixel_values'], images))
            with torch.no_grad():
                output = AutoModel.from_pretrained(hub, trust_remote_code=True)(**inputs, output_attentions=True, output_hidden_states=True)
                self.assertClose(output.last_hidden_state, ours.tokens(images))
                self.assertClose(output.hidden_states[1], ours.tokens(images, 1))
                self.assertClose(output.attentions[0], ours.attention(images, 1))
                if command == 'pretrain':
                    mask = torch.arange(16).ge(4).repeat(4, 1)
                    output = AutoModelForPreTraining.from_pretrained(hub, trust_remote_code=True)(**inputs, bool_masked_pos=mask)
                    self.assertClose(output.logits, ours(images, mask.float()))
                    self.assertClose(output.loss, ours.loss(images, mask.float()))
                else:
                    output = AutoModelForImageClassification.from_pretrained(hub, trust_remote_code=True)(**inputs)
                    self.assertClose(output.logits, ours(images))

    def test_pipeline(self):
        from transformers import pipeline
        path = self.trained['crate', 'pretrain']
        hub, ours = self.directory(path), crate_checkpoint.load(path)
        extract = pipeline('image-feature-extraction', model=hub, image_processor=hub, trust_remote_code=True)
        tokens = torch.tensor(extract(pictures(self.folder)[0]))
        square = crate_checkpoint.preprocessing.square(pictures(self.folder)[0], 32)
        images = torch.from_numpy(crate_checkpoint.preprocess([square], ours.description, stored=True))
        with torch.no_grad():
            self.assertClose(tokens, ours.tokens(images))

    @needs('accelerate')
    def test_trainer_fine_tunes_and_saves(self):
        """On CIFAR-10 if CRATE_DATA has it, otherwise on drawn images."""
        from transformers import AutoModelForImageClassification, Trainer, TrainingArguments
        hub = self.directory(self.trained['crate', 'pretrain'])
        images, labels, classes = self.labelled()
        model = AutoModelForImageClassification.from_pretrained(hub, trust_remote_code=True, num_labels=classes)
        samples = [{'pixel_values': x, 'labels': int(y)} for x, y in zip(images, labels)]
        before = {name: x.clone() for name, x in model.state_dict().items()}
        options = TrainingArguments(
            str(self.folder / 'tuned'), per_device_train_batch_size=16, max_steps=6, learning_rate=1e-3, logging_steps=1,
            report_to=[], save_strategy='no', use_cpu=True, seed=1)
        trainer = Trainer(model=model, args=options, train_dataset=samples)
        trainer.train()
        losses = [line['loss'] for line in trainer.state.log_history if 'loss' in line]
        self.assertEqual(len(losses), 6)
        self.assertLess(losses[-1], losses[0])
        self.assertTrue(all(not torch.equal(x, before[name]) for name, x in model.named_parameters() if x.requires_grad))
        trainer.save_model(str(self.folder / 'tuned'))
        again = AutoModelForImageClassification.from_pretrained(str(self.folder / 'tuned'), trust_remote_code=True).eval()
        with torch.no_grad():
            self.assertClose(again(images[:4]).logits, model.eval()(images[:4]).logits)

    def labelled(self):
        archive = Path(os.environ.get('CRATE_DATA', 'none')) / 'cifar10-half.tar'
        if archive.exists():
            import tarfile
            with tarfile.open(archive) as tar:
                members = [member for member in tar if member.isfile() and 'train/' in member.name][::400]
                from PIL import Image
                pixels = numpy.stack([numpy.asarray(Image.open(tar.extractfile(member)).convert('RGB')) for member in members])
            names = [Path(member.name).parent.name for member in members]
            places = sorted(set(names))
            labels = [places.index(name) for name in names]
        else:
            paths = sorted(self.folder.glob('images/*/*'))
            pixels = numpy.stack([crate_checkpoint.preprocessing.square(path, 32) for path in paths])
            places = sorted({path.parent.name for path in paths})
            labels = [places.index(path.parent.name) for path in paths]
        self.assertGreater(len(places), 1)
        description = crate_checkpoint.describe(self.trained['crate', 'pretrain'])
        return torch.from_numpy(crate_checkpoint.preprocess(pixels, description, stored=True)), labels, max(10, len(places))


@needs('timm')
class TimmTests(ProgramTests):
    kinds = []

    def make(self, architecture, command, *options):
        """An export of the size tiny, whose names have to be those of the program."""
        run, shards = f'{architecture}-{command}', self.folder / 'larger-patches'
        if not shards.exists():
            self.command(CRATE, 'shard', 'images', shards, '--image-size', 32, '--patch-size', 16)
        self.command(CRATE, command, '--data', shards, '--run', run, '--architecture', architecture, '--model', 'tiny', '--image-size', 32,
                     '--patch-size', 16, '--batch-size', 20, '--steps', 1, *options)
        self.command(CRATE, 'export', '--checkpoint', run, '--output', f'{run}.safetensors')
        return self.folder / f'{run}.safetensors'

    def test_encoders_of_autoencoders(self):
        import timm
        import crate_checkpoint.timm  # noqa: F401
        stems = {'crate': 'crate', 'crate-alpha': 'crate_alpha', 'tost': 'tost', 'vit': 'crate_vit'}
        for architecture, stem in stems.items():
            path, images = self.make(architecture, 'pretrain', '--decoder-depth', 1), torch.randn(2, 3, 32, 32)
            ours = crate_checkpoint.load(path)
            name, options = f'{stem}_mae_tiny_patch16', {'img_size': 32, 'checkpoint_path': str(path)}
            for pool in ('avg', 'token'):
                model = timm.create_model(name, num_classes=10, global_pool=pool, **options).eval()
                self.assertEqual(model(images).shape, (2, 10))
                with torch.no_grad():
                    z = ours.tokens(images, -1)
                    v = z[:, 1:].mean(1) if pool == 'avg' else z[:, 0]
                    self.assertClose(model.forward_head(model.forward_features(images), pre_logits=True), ours.norm(v))
            model.reset_classifier(3)
            self.assertEqual((model(images).shape, model.num_classes), ((2, 3), 3))
            model.reset_classifier(0)
            self.assertEqual(model(images).shape, (2, ours.dim))
            maps = timm.create_model(name, features_only=True, out_indices=(0, 5, 9), **options).eval()
            self.assertEqual((maps.feature_info.channels(), maps.feature_info.reduction()), ([ours.dim] * 3, [16] * 3))
            with torch.no_grad():
                for found, layer in zip(maps(images), (1, 6, 10)):
                    self.assertClose(found.flatten(2).transpose(1, 2), ours.tokens(images, layer)[:, 1:])

    def test_supervised_models(self):
        import timm
        import crate_checkpoint.timm  # noqa: F401
        for architecture in ('crate', 'crate-alpha', 'tost'):
            path, images = self.make(architecture, 'train'), torch.randn(2, 3, 32, 32)
            name = f'{architecture.replace("-", "_")}_tiny_patch16'
            model = timm.create_model(name, img_size=32, num_classes=4, checkpoint_path=str(path)).eval()
            with torch.no_grad():
                self.assertClose(model(images), crate_checkpoint.load(path)(images))

    def test_what_training_scripts_do(self):
        """The options that timm's train.py gives to its model, layer decay, and a step."""
        import timm
        from timm.data import resolve_data_config
        from timm.optim import create_optimizer_v2
        import crate_checkpoint.timm  # noqa: F401
        self.assertEqual(len(timm.list_models('crate_mae_*') + timm.list_models('crate_alpha_*')), 14)
        self.assertIn('crate_mae_base_patch16', timm.list_models())
        model = timm.create_model('crate_vit_mae_tiny_patch16', pretrained=False, in_chans=3, num_classes=10, drop_rate=0.1, drop_path_rate=0.2,
                                  drop_block_rate=None, global_pool=None, bn_momentum=None, bn_eps=None, scriptable=False,
                                  checkpoint_path='', img_size=32)
        data = resolve_data_config({}, model=model)
        self.assertEqual((data['crop_pct'], data['interpolation'], data['input_size']), (0.875, 'bicubic', (3, 224, 224)))
        optimizer = create_optimizer_v2(model, opt='adamw', lr=1e-3, weight_decay=0.05, layer_decay=0.65)
        self.assertGreater(len({group['lr_scale'] for group in optimizer.param_groups}), 12)
        images = torch.randn(4, 3, 32, 32)
        self.assertFalse(torch.equal(model.train()(images), model(images)))
        model(images).square().sum().backward()
        optimizer.step()
        self.assertTrue(torch.equal(model.eval()(images), model(images)))


@needs('onnx', 'onnxruntime')
class OnnxTests(ProgramTests):
    kinds = ALL_KINDS

    def session(self, path):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(str(path), options, providers=['CPUExecutionProvider'])

    def convert(self, path, name, *options):
        target = self.folder / f'{path.stem}-{name}.onnx'
        self.command(sys.executable, '-m', 'crate_checkpoint', 'convert', path, target, '--to', 'onnx', *options)
        return target

    def test_equal_to_pytorch_for_any_number_of_images(self):
        for (architecture, command), path in self.trained.items():
            ours = crate_checkpoint.load(path)
            session = self.session(self.convert(path, 'whole'))
            for count in (1, 5):
                images = torch.randn(count, 3, 32, 32)
                mask = torch.rand(count, 16).argsort(1).argsort(1).ge(4).float()
                inputs = (images, mask) if command == 'pretrain' else (images,)
                names = [given.name for given in session.get_inputs()]
                (found,) = session.run(None, {name: x.numpy() for name, x in zip(names, inputs)})
                with torch.no_grad():
                    self.assertClose(found, ours(*inputs))

    def test_encoder_and_its_metadata(self):
        import onnx
        path = self.trained['crate', 'pretrain']
        file = self.convert(path, 'encoder', '--part', 'encoder')
        images, ours = torch.randn(3, 3, 32, 32), crate_checkpoint.load(path)
        tokens, features = self.session(file).run(None, {'images': images.numpy()})
        with torch.no_grad():
            self.assertClose(tokens, ours.tokens(images))
            self.assertClose(features, ours.features(images))
        written = onnx.load(str(file))
        self.assertGreaterEqual(written.opset_import[0].version, 17)
        self.assertEqual({entry.key for entry in written.metadata_props} & {'config', 'mean', 'std'}, {'config', 'mean', 'std'})

    def test_int8_weights(self):
        path = self.trained['crate', 'finetune']
        whole, small = self.convert(path, 'whole'), self.convert(path, 'int8', '--int8')
        self.assertLess(small.stat().st_size, whole.stat().st_size)
        images = torch.randn(40, 3, 32, 32)
        logits, rounded = (self.session(file).run(None, {'images': images.numpy()})[0] for file in (whole, small))
        difference = numpy.linalg.norm(rounded - logits) / numpy.linalg.norm(logits)
        self.assertTrue(0 < difference < 0.1, difference)


if __name__ == '__main__':
    unittest.main()
