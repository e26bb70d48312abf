"""How long the parts of a comparison take, and how many steps fit into a budget.

Times follow from the rates that crate bench measured: GFLOP an image over GFLOP a second of the same model.
"""
import math
from dataclasses import dataclass

from store import Refused

# Steps of a part for one step of the runs of the table.
SEARCH, TOKENS = 1 / 4, 1 / 10
FINETUNE = {100: 1 / 2, 10: 1 / 4, 1: 1 / 8}
# No more passes over a subset than this, by percent of the labels: small subsets are learnt by then.
PASSES = {100: 50, 10: 100, 1: 200}
SMALLEST = 2
# Validation losses of a run of the table beside those at its end, for the curve.
EVALUATIONS = 4
START = 1.0  # seconds that a command takes before it computes
MARGIN = 1.05  # what is left for pages, checkpoints and other programs


@dataclass(frozen=True)
class Rate:
    """Of a model on this machine in pretraining: images and GFLOP a second."""
    images: float
    gflops: float


def share(table, part):
    return max(SMALLEST, round(table * part))


def evaluations(passes):
    """Passes from one evaluation to the next in a run of that many passes over the images, and how many there are in
    all: before the first step, in between, and after the last one."""
    every = max(1, round(passes / EVALUATIONS))
    return every, 2 + math.ceil(passes / every) - 1


def passes(percent):
    return PASSES[min(PASSES, key=lambda known: abs(known - percent))]


def finetune_share(percent):
    return FINETUNE[min(FINETUNE, key=lambda known: abs(known - percent))]


def steps(table, batch, subsets, time_ratio):
    """The steps of every part for `table` steps of the table's runs. `subsets`: images by percent; `time_ratio`: the
    rate of ViT of equal width over that of CRATE."""
    finetune = {
        percent: max(SMALLEST, min(share(table, finetune_share(int(percent))),
                                   passes(int(percent)) * count // batch))
        for percent, count in subsets.items()
    }
    return {
        'table': table,
        'time': max(SMALLEST, round(table * time_ratio)),
        'search': share(table, SEARCH),
        'tokens': share(table, TOKENS),
        'finetune': finetune
    }


class Costs:
    """Expected seconds. `counts`: of `Data.counts`; `rates`: by model; `shapes`: by model."""

    def __init__(self, shapes, rates, counts, batch, layers):
        self.shapes, self.rates, self.counts, self.batch, self.layers = shapes, rates, counts, batch, layers

    def bench(self, images, models):
        return sum(START + 1 + images / self.rates[model].images for model in models)

    def pretrain(self, model, count):
        return START + count * self.batch / self.rates[model].images

    def evaluate(self, model):
        return self.counts['validation'] / 3 / self.rates[model].images

    def features(self, model, images):
        return images * self.shapes[model].encoder_operations() * 1e-9 / self.rates[model].gflops

    def finetune(self, model, count):
        return START + self.features(model, 3 * count * self.batch + 2 * self.counts['validation'])

    def probe(self, model, poolings):
        # L-BFGS and the neighbours: about four seconds for 25,000 images of width 192, measured on one core of 200
        # GFLOP/s.
        images = self.counts['train'] + self.counts['validation']
        solve = 4 * self.counts['train'] / 25_000 * self.shapes[model].dim / 192
        return START + self.features(model, images) + self.layers * poolings * solve


def largest(budget, cost, least=20, most=10_000_000):
    """The most steps of the table whose whole comparison `cost` takes no longer than `budget` seconds."""
    if cost(least) * MARGIN > budget:
        raise Refused(
            f'the budget is too short even for runs of {least} steps, which take {duration(cost(least) * MARGIN)}; '
            'give a larger --budget, or fewer --models or --seeds')
    low, high = least, most
    while low < high:
        middle = (low + high + 1) // 2
        if cost(middle) * MARGIN <= budget:
            low = middle
        else:
            high = middle - 1
    return low - low % 10 if low > 100 else low


def parsed(text):
    """Seconds of `90s`, `30m`, `5h`, `2d`."""
    units = {'s': 1, 'm': 60, 'h': 3600, 'd': 86400}
    try:
        value = float(text[:-1]) * units[text[-1:]]
    except (KeyError, ValueError):
        raise ValueError(f'{text}: give a number and a unit, such as 90m, 6h or 2d')
    if not 0 < value < 1e9:
        raise ValueError(f'{text}: give a time that is positive and finite')
    return value


def duration(seconds):
    if seconds < 90:
        return f'{seconds:.0f} s'
    if seconds < 5400:
        return f'{seconds / 60:.0f} min'
    return f'{seconds / 3600:.1f} h'
