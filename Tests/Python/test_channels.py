"""Models of other channels than RGB: the package beside the program, and weights that are adapted to other channels."""
import subprocess
import unittest

import numpy
import torch

from package_support import SHAPE, ProgramTests
from test_crate_checkpoint import CRATE, SYSTEM_PYTHON, crate_checkpoint
from crate_checkpoint import preprocessing  # found by the import above

HAS_H5PY = subprocess.run([SYSTEM_PYTHON, '-c', 'import h5py'], capture_output=True).returncode == 0


@unittest.skipUnless(HAS_H5PY, 'the system\'s Python has no h5py; run: Launch/setup --tests')
class ChannelTests(ProgramTests):
    kinds = [('crate', 'pretrain'), ('crate', 'train')]

    @classmethod
    def sharded(cls, name, values):
        """Shards of the images `values`, and these as (N, S, S, C) from 0 to 255."""
        depth = 8 * values.dtype.itemsize
        numpy.save(cls.folder / f'{name}.npy', values)
        # Classes follow each other, so shards keep the order.
        numpy.save(cls.folder / 'labels.npy', numpy.arange(len(values)) * 4 // len(values))
        cls.command(CRATE, 'shard', f'{name}.npy', name, '--labels', 'labels.npy', '--channels', values.shape[3], '--depth', depth,
                    '--image-size', 32, '--patch-size', 8)
        return values.astype(numpy.float64) * 255 / (2 ** depth - 1)

    @classmethod
    def drawn(cls, channels, kind):
        generator = numpy.random.default_rng(channels)
        return generator.integers(0, numpy.iinfo(kind).max + 1, (20, 32, 32, channels)).astype(kind)

    def features(self, path, data):
        output = f'{path.stem}-{data}.h5'
        self.command(CRATE, 'features', '--checkpoint', path.name, '--data', data, '--output', output)
        return self.read_hdf5(output, 'mean.norm')[0]

    def own_features(self, path, images):
        model = crate_checkpoint.load(path)
        inputs = preprocessing.normalise(images, model.description.mean, model.description.std)
        with torch.no_grad():
            return model.features(torch.from_numpy(inputs))

    def export(self, run):
        self.command(CRATE, 'export', '--checkpoint', run, '--output', f'{run}.safetensors')
        return self.folder / f'{run}.safetensors'

    def test_models_of_other_channels_agree_with_the_program(self):
        for channels, kind in ((1, numpy.uint16), (8, numpy.uint8)):
            data = f'bands-{channels}'
            images = self.sharded(data, self.drawn(channels, kind))
            for architecture, command in (('crate', 'pretrain'), ('vit', 'pretrain'), ('crate', 'train'), ('crate-alpha', 'train')):
                with self.subTest(channels=channels, architecture=architecture, command=command):
                    run = f'{architecture}-{command}-{channels}'
                    self.command(CRATE, command, '--data', data, '--run', run, '--architecture', architecture, *SHAPE,
                                 '--batch-size', 20, '--steps', 3, '--lr', 1e-2)
                    path = self.export(run)
                    self.assertEqual(crate_checkpoint.describe(path).channels, channels)
                    self.assertClose(self.own_features(path, images), self.features(path, data))

    def test_adapted_weights_see_the_same_image(self):
        """A grey image as one channel, and one with every channel twice, give the features of the image as RGB."""
        grey = self.drawn(1, numpy.uint8)
        colours = self.drawn(3, numpy.uint8)
        for name, values, adapted in (('grey', numpy.repeat(grey, 3, 3), grey), ('twice', colours, numpy.tile(colours, 2))):
            self.sharded(name, values)
            channels = adapted.shape[3]
            self.sharded(f'{name}-adapted', adapted)
            for (_, command), path in self.trained.items():
                # Where a norm with weights of its own comes first, one channel is an approximation.
                if name == 'grey' and command == 'train':
                    continue
                with self.subTest(path=path.name, channels=channels):
                    run = f'{path.stem}-{name}'
                    self.command(CRATE, 'import', path.name, '--run', run, '--channels', channels)
                    expected = self.features(path, name)
                    if name == 'grey':
                        # Mean and deviation of the one channel are the means of three, so tokens agree only if these are equal.
                        description = crate_checkpoint.describe(path)
                        grey_scale = (sum(description.mean) / 3,) * 3, (sum(description.std) / 3,) * 3
                        model = crate_checkpoint.load(path)
                        inputs = preprocessing.normalise(values, *grey_scale)
                        with torch.no_grad():
                            expected = model.features(torch.from_numpy(inputs))
                    self.assertClose(self.features(self.export(run), f'{name}-adapted'), expected)


if __name__ == '__main__':
    unittest.main()
