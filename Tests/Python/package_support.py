"""Small models that the program has trained, for the tests of the package. CRATE is the program."""
import importlib
import subprocess
import tempfile
import unittest
from pathlib import Path

import numpy
import torch

from test_crate_checkpoint import CRATE, SYSTEM_PYTHON

ARCHITECTURES = ('crate', 'crate-alpha', 'tost', 'vit')
SHAPE = ['--dim', 48, '--depth', 2, '--heads', 3, '--image-size', 32, '--patch-size', 8]
HUB = 'install it with: .venv/bin/pip install --no-deps -r Launch/requirements/hub.txt'


def needs(*names):
    """Skips a test case, with a reason, where a package is missing."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            return unittest.skip(f'no {error.name or name}; {HUB}')
    return lambda case: case


class ProgramTests(unittest.TestCase):
    """Drawn images, shards of squares of 32 pixels, and `trained`, an export of each kind by (architecture, command)."""

    kinds = [(name, 'pretrain') for name in ARCHITECTURES]

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = Path(folder.name)
        cls.command(CRATE, 'synthesize', 'images', '--images', 40, '--classes', 4, '--image-size', 48)
        cls.command(CRATE, 'shard', 'images', 'shards', '--image-size', 32, '--patch-size', 8)
        cls.trained = {kind: cls.train(*kind) for kind in cls.kinds}

    @classmethod
    def command(cls, *words):
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=cls.folder, timeout=300)
        if done.returncode:
            raise AssertionError(f'{words}: {done.stderr}')
        return done.stdout

    @classmethod
    def train(cls, architecture, command):
        run = f'{architecture}-{command}'
        model = ['--from', f'{architecture}-pretrain'] if command == 'finetune' else ['--architecture', architecture, *SHAPE]
        more = ['--norm-pix'] if command == 'pretrain' else []
        cls.command(CRATE, command, '--data', 'shards', '--validation', 'shards', '--run', run, '--batch-size', 20, '--steps', 3,
                    '--lr', 1e-2, *model, *more)
        cls.command(CRATE, 'export', '--checkpoint', run, '--output', f'{run}.safetensors')
        return cls.folder / f'{run}.safetensors'

    @classmethod
    def read_hdf5(cls, file, *names):
        """Data sets of an HDF5 file, with h5py, which Debian's Python has."""
        script = ('import h5py, numpy, sys; file = h5py.File(sys.argv[1]); '
                  '[numpy.save(f"{i}.npy", file[name][()]) for i, name in enumerate(sys.argv[2:])]')
        cls.command(SYSTEM_PYTHON, '-c', script, file, *names)
        return [numpy.load(cls.folder / f'{i}.npy') for i in range(len(names))]

    @classmethod
    def stored_images(cls):
        """The squares of the shard, (N, 32, 32, 3) of uint8."""
        (patches,) = cls.read_hdf5('shards/shard-00000.h5', 'patches')
        return patches.reshape(-1, 4, 4, 8, 8, 3).transpose(0, 1, 3, 2, 4, 5).reshape(-1, 32, 32, 3)

    def assertClose(self, values, expected, tolerance=1e-5):
        """Relative to the length of all that is expected."""
        values, expected = (torch.as_tensor(numpy.array(x)).double() for x in (values, expected))
        self.assertEqual(values.shape, expected.shape)
        self.assertLess(((values - expected).norm() / expected.norm()).item(), tolerance)
