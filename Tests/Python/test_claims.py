"""Tests of Launch/claims: sizes against the program, intervals, the plan, a comparison that is killed and continued,
its pages."""
import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'Launch/comparison'))
import budget  # noqa: E402
import data  # noqa: E402
import intervals  # noqa: E402
import pictures  # noqa: E402
import sentences  # noqa: E402
import sizes  # noqa: E402
from stages import parameter_count  # noqa: E402
from store import Store  # noqa: E402

CRATE = os.environ.get('CRATE', str(ROOT / '.build/release/crate'))
BASE = sizes.Shape('crate', 192, 6, 6)
SMALL = ('--dim', 24, '--depth', 1, '--heads', 2, '--batch-size', 8, '--pairs', 1, '--bench-steps', 1, '--drawings', 8,
         '--patch-size', 8, '--tokens-size', 48)
MODELS = ('crate', 'vit', 'vit-time', 'tost')


def run(*words, code=0):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=120)
    if done.returncode != code:
        raise AssertionError(f'{words}: exit code {done.returncode}\n{done.stdout}{done.stderr}')
    return done


class SizeTests(unittest.TestCase):

    def test_operations_are_those_of_the_program(self):
        shapes = sizes.shapes(sizes.Shape('crate', 48, 2, 3))
        for name in ('crate', 'vit', 'vit-operations', 'tost', 'crate-alpha'):
            text = run(CRATE, 'bench', *shapes[name].options(), '--batch-size', 2, '--steps', 1, '--json').stdout
            self.assertAlmostEqual(json.loads(text)['gflop_per_image'] / (shapes[name].operations() * 1e-9),
                                   1,
                                   places=9,
                                   msg=name)

    def test_parameters_are_those_of_models(self):
        with tempfile.TemporaryDirectory() as folder:
            run(CRATE, 'synthesize', f'{folder}/images', '--images', 4, '--classes', 2, '--image-size', 32)
            run(CRATE, 'shard', f'{folder}/images', f'{folder}/shards', '--image-size', 32, '--patch-size', 4)
            several, one = (sizes.shapes(sizes.Shape('crate', 40, 2, heads)) for heads in (5, 1))
            for number, shapes in enumerate((several, {name: one[name] for name in ('crate', 'tost', 'crate-alpha')})):
                for name, shape in shapes.items():
                    if name in sizes.SAME_SHAPE:
                        continue
                    at = f'{folder}/run-{number}-{name}'
                    run(CRATE, 'pretrain', '--data', f'{folder}/shards', '--run', at, *shape.options(), '--batch-size',
                        4, '--steps', 1, '--lr', 0, '--no-tensorboard')
                    found = parameter_count(next(Path(at).glob('checkpoints/*/model.safetensors')))
                    self.assertEqual(found, shape.parameters(), f'{name} {shape}')

    def test_widths_are_the_nearest_ones(self):
        for base in (BASE, sizes.Shape('crate', 768, 12, 12, 224, 16)):
            found = sizes.shapes(base)
            for name, measure in (('vit-parameters', sizes.Shape.parameters), ('vit-operations',
                                                                               sizes.Shape.operations)):
                shape, target = found[name], measure(base)
                self.assertEqual((shape.dim % 4, shape.dim % shape.heads, shape.depth), (0, 0, base.depth))
                self.assertTrue(2 / 3 <= shape.dim / shape.heads * base.heads / base.dim <= 1.5)
                self.assertAlmostEqual(measure(shape) / target, 1, delta=0.03)
        self.assertEqual(sizes.shapes(BASE)['vit-parameters'].dim, 96)


class IntervalTests(unittest.TestCase):

    def test_half_widths(self):
        found = intervals.interval([1.0, 2.0, 3.0])
        self.assertAlmostEqual(found.half, 4.3027 / math.sqrt(3), places=4)
        self.assertEqual((found.mean, found.count, found.excludes_zero), (2, 3, False))
        self.assertTrue(intervals.interval([2.0, 2.1, 2.2]).excludes_zero)
        self.assertIsNone(intervals.interval([4.0]).half)
        self.assertFalse(intervals.interval([4.0]).excludes_zero)
        self.assertIsNone(intervals.interval([]))
        self.assertIsNone(intervals.interval([1.0, math.inf]))

    def test_quantiles(self):
        for freedom, expected in ((1, 12.7062), (15, 2.1314), (20, 2.0860), (40, 2.0211), (120, 1.9799)):
            self.assertAlmostEqual(intervals.quantile(freedom), expected, places=3)

    def test_intervals_cover_the_mean_as_often_as_they_say(self):
        draw = random.Random(0)
        found = [intervals.interval([draw.gauss(5, 2) for _ in range(3)]) for _ in range(4000)]
        self.assertAlmostEqual(sum(one.low <= 5 <= one.high for one in found) / len(found), 0.95, delta=0.015)

    def test_differences_are_paired(self):
        found = intervals.difference({0: 3.0, 1: 14.0, 2: 25.0}, {0: 1.0, 1: 12.1, 3: 0.0})
        self.assertEqual((round(found.mean, 9), found.count), (1.95, 2))


class SentenceTests(unittest.TestCase):
    """Nobody is said to be ahead where the interval includes 0 or there is none."""

    def setUp(self):
        low = dict(key='loss', title='loss', better='low', unit='', digits=2)
        high = dict(key='probe', title='probe', better='high', unit='points', digits=1)
        self.low, self.high = SimpleNamespace(**low), SimpleNamespace(**high)

    def sentences(self, metric, *differences):
        found = intervals.interval(differences)
        results = SimpleNamespace(metrics=[metric], options=SimpleNamespace(seeds=len(differences)),
                                  difference=lambda *_: found)
        return sentences.comparisons(results, 'vit')

    def test_who_is_ahead(self):
        ahead = self.sentences(self.high, 3.0, 3.2, 3.4)
        self.assertEqual(ahead, ['probe: ViT-MAE, equal width is ahead of CRATE-MAE by 3.2 (2.7 to 3.7) points.'])
        self.assertIn('CRATE-MAE is ahead of ViT', self.sentences(self.high, -3.0, -3.2, -3.4)[0])
        self.assertIn('CRATE-MAE is ahead of ViT', self.sentences(self.low, 0.5, 0.51, 0.52)[0])
        self.assertIn('by 0.51 (0.49 to 0.53).', self.sentences(self.low, -0.5, -0.51, -0.52)[0])

    def test_nothing_is_claimed(self):
        for found in (self.sentences(self.high, -1.0, 3.2, 3.4), self.sentences(self.low, 5.0)):
            self.assertEqual(len(found), 1)
            self.assertNotIn('ahead', found[0])
        self.assertEqual(self.sentences(self.high), [])

    def test_blocks_that_compress(self):
        rates = {'coding_rate': {1: {0: 5.0, 1: 5.1}, 2: {0: 5.0, 1: 5.0}, 3: {0: 2.0, 1: 2.0}},
                 'coding_rate_after': {1: {0: 4.0, 1: 4.1}, 2: {0: 1.0, 1: 4.9}, 3: {0: 3.0, 1: 3.01}}}
        results = SimpleNamespace(encoder=lambda model, key, name: rates[key] if name == 'measures' else {})
        self.assertEqual(sentences.changes(results, 'crate', 'measures'), (1, 1, 3))
        self.assertIn('in 1 of 3 blocks (higher in 1, no difference shown in 1).', sentences.compression(results,
        'crate'))


class BudgetTests(unittest.TestCase):

    def test_the_largest_number_of_steps_that_fits(self):

        def cost(steps):
            return 100 + 2.5 * steps

        for seconds in (200, 1000, 12345):
            steps = budget.largest(seconds, cost)
            self.assertLessEqual(cost(steps) * budget.MARGIN, seconds)
            self.assertGreater(cost(steps + 10) * budget.MARGIN, seconds)
        with self.assertRaisesRegex(Exception, 'too short'):
            budget.largest(100, cost)

    def test_small_subsets_are_not_passed_over_for_ever(self):
        steps = budget.steps(100_000, 32, {'100': 25_000, '10': 2500, '1': 250}, 0.5)
        self.assertEqual(steps['finetune']['1'], 200 * 250 // 32)
        self.assertEqual((steps['table'], steps['time'], steps['search']), (100_000, 50_000, 25_000))

    def test_evaluations(self):
        self.assertEqual([budget.evaluations(passes) for passes in (0.3, 1.9, 8, 400)], [(1, 2), (1, 3), (2, 5), (100, 5)])

    def test_times(self):
        self.assertEqual([budget.parsed(text) for text in ('90s', '1.5m', '6h', '2d')], [90, 90, 21600, 172800])
        for text in ('', '5', 'h', '-1h', '0h', 'nanh', 'infd', '5 weeks'):
            with self.assertRaises(ValueError, msg=text):
                budget.parsed(text)


class SubsetTests(unittest.TestCase):

    def test_parts_of_each_class_are_nested(self):
        names = [(label, f'{label}/{number}') for label in 'ab' for number in range(300)]
        hundred, ten, one = (data.drawn(names, percent) for percent in (100, 10, 1))
        self.assertEqual((len(hundred), len(ten), len(one)), (600, 60, 6))
        self.assertTrue(set(one) < set(ten))
        self.assertEqual(sum(name.startswith('a') for name in ten), 30)
        self.assertEqual(ten, data.drawn(reversed(names), 10))


class PictureTests(unittest.TestCase):

    def test_pictures_are_stacked(self):
        rows = [bytes([row, column, 7][channel] for column in range(3) for channel in range(3)) for row in range(2)]
        width, found = pictures.decode(pictures.stacked([pictures.encode(3, rows)] * 2, scale=2, gap=1))
        self.assertEqual((width, len(found)), (6, 9))
        self.assertEqual(found[3][3:6], bytes([1, 0, 7]))
        self.assertEqual(found[4], bytes([255]) * 18)

    def test_all_filters_are_undone(self):
        draw = random.Random(1)
        rows, raw, above = [draw.randbytes(12) for _ in range(5)], b'', bytes(12)
        for kind, row in enumerate(rows):
            line = bytearray(12)
            for index in range(12):  # a stored 0 gives what is predicted from the bytes before
                predicted = pictures.unfiltered(kind, bytes(line), above, 3)[index]
                line[index] = (row[index] - predicted) & 255
            raw, above = raw + bytes([kind]) + bytes(line), row
        self.assertEqual(pictures.unfiltered(4, raw[4 * 13 + 1:], rows[3], 3), rows[4])
        self.assertEqual(pictures.unfiltered(2, raw[2 * 13 + 1:3 * 13], rows[1], 3), rows[2])


class ComparisonTests(unittest.TestCase):
    """One comparison of all stages on drawn images: planned, killed, continued, stopped, completed, refused."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        at = Path(cls.folder.name)
        for part, seed in (('train', 1), ('test', 2)):
            run(CRATE, 'synthesize', at / 'cifar10' / part, '--images', 40, '--classes', 2, '--image-size', 32,
                '--seed', seed)
        cls.archive, cls.work = at / 'drawn.tar', at / 'claims'
        run('tar', '-cf', cls.archive, '-C', at, 'cifar10')

    def words(self, *more):
        return [
            str(word)
            for word in (ROOT / 'Launch/claims', self.archive, '--crate', CRATE, '--work', self.work, *SMALL, '--seeds',
                         1, '--rates', '1e-3', '2e-3', '--labels', 100, 10, '--models', *MODELS, *more)
        ]

    def results(self):
        return {path: path.read_bytes() for path in (self.work / 'results').rglob('*.json')}

    def interrupted(self, number, name):
        """Starts the comparison, and sends a signal while it makes the result `name`."""
        child = subprocess.Popen(self.words('--steps', 4), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(child.stdout.close)
        for line in child.stdout:
            if f' {name},' in line:
                break
        child.send_signal(number)
        return child.stdout.read(), child.wait(timeout=30)

    def test_comparison(self):
        planned = run(*self.words('--budget', '10m', '--plan')).stdout
        self.assertIn('ViT-MAE, equal time', planned)
        self.assertFalse(Path(f'{self.work}.md').exists())

        text, code = self.interrupted(signal.SIGTERM, 'search/vit/0.001')
        self.assertEqual(code, 75, text)
        self.assertIn('the same command continues', text)
        page = Path(f'{self.work}.md').read_text()
        self.assertIn('Not complete', page)
        self.assertIn('| CRATE-MAE | 0.0', page)

        _, code = self.interrupted(signal.SIGKILL, 'seed-0/vit/pretrain')
        self.assertEqual(code, -9)
        before = self.results()
        self.assertIn('search/tost/0.002', str(before))
        refused = run(*self.words('--steps', 5), code=1).stderr
        self.assertRegex(
            refused,
            r'\ALaunch/claims: (--steps is 5, but .* holds results with 4; use|another comparison uses)[^\n]*\n\Z')

        self.completed()
        after = self.results()
        self.assertEqual({path: after[path] for path in before}, before)
        self.check_pages()
        for option in (('--steps', 5), ('--steps', 4, '--dim', 48), ('--budget', '5h')):
            refused = run(*self.words(*option), code=1).stderr
            self.assertRegex(refused, r'\ALaunch/claims: --[^\n]*; use the same, or another --work\n\Z')
        self.assertEqual(self.results(), after)
        again = run(*self.words('--steps', 4)).stdout
        self.assertNotIn('seed-0', again)

    def completed(self):
        """Completes the comparison; the command that the killed one had started may hold the lock for a moment."""
        for _ in range(100):
            done = subprocess.run(self.words('--steps', 4), capture_output=True, text=True, timeout=120)
            if 'another comparison uses' not in done.stderr:
                break
            time.sleep(0.1)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn('complete:', done.stdout)

    def check_pages(self):
        page, html = (Path(f'{self.work}.{kind}').read_text() for kind in ('md', 'html'))
        self.assertNotIn('missing |', page.split('## Computed and missing')[0])
        self.assertNotIn('Not complete', page)
        for model in MODELS:
            self.assertIn(sizes.TITLES[model], page)
        # One seed has no interval, so nobody may be said to be ahead.
        self.assertNotIn('is ahead of', page)
        self.assertIn('Not judged, as there is one seed', page)
        self.assertIn('data:image/png;base64,', html)
        self.assertIn('prefers-color-scheme: dark', html)
        self.assertNotRegex(html, r'(src|href)="(?!data:)|url\(|<script|nan|inf\b')
        self.assertGreater(html.count('<svg'), 8)
        self.assertTrue(Path(f'{self.work}-attention.png').read_bytes().startswith(pictures.SIGNATURE))
        values = [path for path in self.results() if 'nan' in path.read_text().lower()]
        self.assertEqual(values, [])

    def test_two_at_once_are_refused(self):
        held = Store(self.work.with_name('held'))
        held.lock()
        self.addCleanup(os.close, held.lock_file)
        refused = run(ROOT / 'Launch/claims', self.archive, '--crate', CRATE, '--work', held.work, code=1).stderr
        self.assertRegex(refused, r'\ALaunch/claims: another comparison uses [^\n]+\n\Z')

    def test_mistakes_are_refused_in_one_line(self):
        for words in (('--budget', '1s'), ('--budget', 'soon'), ('--steps', 4, '--budget', '1h'), ('--models', 'vit'),
                      ('--models', 'crate', 'vit-time'), ('--data', 'here')):
            at = self.work.with_name('mistaken')
            refused = run(ROOT / 'Launch/claims',
                          *(() if '--data' in words else (self.archive, )),
                          '--crate',
                          CRATE,
                          '--work',
                          at,
                          *SMALL,
                          '--models',
                          'crate',
                          'vit',
                          *words,
                          code=1).stderr
            self.assertRegex(refused, r'\ALaunch/claims: [^\n]+\n\Z', words)


if __name__ == '__main__':
    unittest.main()
