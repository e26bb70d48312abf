"""Recomputes with NumPy what crate reconstruct --error-map prints, from the files that it writes. CRATE is the program."""
import subprocess
import tempfile
import unittest
from pathlib import Path

import numpy
import tifffile
from PIL import Image

from test_crate_checkpoint import CRATE

SIDE = 32


def area(scores, truth):
    """The share of pairs of a positive and a negative that are in order, ties counting one half."""
    negatives = numpy.sort(scores[~truth])
    below = numpy.searchsorted(negatives, scores[truth], 'left')
    upto = numpy.searchsorted(negatives, scores[truth], 'right')
    return (below + upto).mean() / 2 / len(negatives)


class ErrorMapTests(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def crate(self, *words):
        done = subprocess.run([CRATE, *map(str, words)], capture_output=True, text=True, cwd=self.folder, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_areas_are_those_of_the_written_values(self):
        self.crate('synthesize', 'surfaces', '--kind', 'defects', '--images', 75, '--image-size', SIDE, '--masks', 'masks')
        size = '--image-size', SIDE, '--patch-size', 8
        self.crate('shard', 'surfaces', 'shards', '--within', 'train', *size)
        self.crate('pretrain', '--data', 'shards', '--run', 'run', '--dim', 16, '--depth', 1, '--heads', 2, *size,
                   '--batch-size', 8, '--steps', 10)
        files = sorted(self.folder.glob('surfaces/test/*/*.png'))
        output = self.crate('reconstruct', '--error-map', '--checkpoint', 'run', '--output', 'maps', '--masks', 'masks',
                            '--rounds', 2, *files).splitlines()
        maps, truth = [], []
        for number, (file, line) in enumerate(zip(files, output), 1):
            values = numpy.load(self.folder / f'maps/{number:02}-{file.stem}.npy')
            self.assertEqual((values.shape, values.dtype), ((SIDE, SIDE), numpy.float32))
            self.assertAlmostEqual(values.mean(), 1, places=5)
            highest = numpy.sort(values, axis=None)[-(SIDE * SIDE // 100):]
            self.assertAlmostEqual(float(line.split()[-1]), highest.mean(), places=3)
            sheet = numpy.array(Image.open(self.folder / f'maps/{number:02}-{file.stem}.png'))
            self.assertEqual(sheet.shape, (SIDE, 2 * SIDE + 2, 3))
            mask = self.folder / 'masks' / file.parent.name / file.name
            self.assertEqual(mask.exists(), file.parent.name != 'good')
            maps.append(values)
            truth.append(numpy.array(Image.open(mask))[..., 0] > 127 if mask.exists() else numpy.zeros((SIDE, SIDE), bool))
        maps, truth = numpy.array(maps), numpy.array(truth)
        scores = numpy.sort(maps.reshape(len(maps), -1), axis=1)[:, -(SIDE * SIDE // 100):].mean(1)
        for line, expected in zip(output[-2:], [area(scores, truth.any((1, 2))), area(maps, truth)]):
            self.assertAlmostEqual(float(line.split(': ')[1].split(',')[0]), expected, places=3)
        self.assertIn(f'{truth.sum()} pixels with an anomaly, {(~truth).sum()} without', output[-1])

    def test_drawn_files_are_what_they_say(self):
        self.crate('synthesize', 'cells', '--kind', 'cells', '--images', 8, '--image-size', 48, '--masks', 'cell-masks')
        for file in sorted(self.folder.glob('cells/*/*.png')):
            image = numpy.array(Image.open(file))
            mask = numpy.array(Image.open(self.folder / 'cell-masks' / file.parent.name / file.name))[..., 0] > 127
            self.assertEqual(image.shape, (48, 48))
            self.assertTrue(255 < image.max() <= 4095)
            self.assertGreater(image[mask].mean(), image[~mask].mean() + 200)
        self.crate('synthesize', 'fields', '--kind', 'fields', '--images', 20, '--image-size', 48, '--masks', 'field-masks')
        for file in sorted(self.folder.glob('fields/*/*.tif')):
            image = tifffile.imread(file)
            self.assertEqual((image.shape, image.dtype), ((48, 48, 4), numpy.uint16))
            mask = numpy.array(Image.open(self.folder / 'field-masks' / file.parent.name / (file.stem + '.png')))[..., 0] > 127
            red, infrared = image[mask].astype(float).sum(0)[[0, 3]]
            vegetation = (infrared - red) / (infrared + red)
            self.assertEqual(vegetation > 0.5, file.parent.name in ('crops', 'forest'), file)


if __name__ == '__main__':
    unittest.main()
