"""The numbers of the page, gathered from the results that are there; what is missing is None."""
import statistics
from dataclasses import dataclass
from typing import Callable

from intervals import difference, interval
from items import Search
from sizes import SAME_SHAPE
from stages import initial_model


@dataclass(frozen=True)
class Metric:
    """A number of a trained model. `better`: 'low' or 'high'. `unit` of a difference; `scale`: from the stored
    number."""
    key: str
    title: str
    better: str
    unit: str
    digits: int
    scale: float
    value: Callable  # of results, model, seed


def top1(percent):
    def value(results, model, seed):
        found = results.store.value(f'seed-{seed}/{model}/finetune-{percent}')
        return found and found['top1']

    return value


def pretrained(key):
    def value(results, model, seed):
        found = results.store.value(f'seed-{seed}/{model}/pretrain')
        return found and found[key]

    return value


def measured(*path):
    def value(results, model, seed):
        found = results.store.value(f'seed-{seed}/{model}/measures')
        for key in path:
            found = found and found.get(key)
        return found

    return value


class Results:

    def __init__(self, options, store, shapes, plan):
        self.options, self.store, self.shapes, self.plan = options, store, shapes, plan
        self.search = Search(options, store)
        self.seeds = range(options.seeds)
        percents = sorted(options.percents, reverse=True)
        self.metrics = [
            Metric('loss', 'validation loss', 'low', '', 4, 1, pretrained('loss')),
            Metric('error', 'squared error of pixels', 'low', '', 5, 1, measured('error')),
            Metric('probe-best', 'linear probe, best layer', 'high', 'points', 1, 100, self.probe_value('linear',
                                                                                                        None)),
            Metric('probe-last', 'linear probe, last layer', 'high', 'points', 1, 100,
                   self.probe_value('linear', 'norm')),
            Metric('neighbours', 'nearest neighbours, best layer', 'high', 'points', 1, 100,
                   self.probe_value('neighbours', None)),
            *(Metric(f'finetune-{percent}', f'fine-tuned on {percent}% of the labels', 'high', 'points', 1, 100,
                     top1(percent)) for percent in percents),
            Metric('emergence', 'IoU of attention and objects', 'high', 'points', 1, 100,
                   measured('emergence', 'best', 'overlap', 'iou')),
        ]

    def metric(self, key):
        return next(metric for metric in self.metrics if metric.key == key)

    def by_seed(self, metric, model):
        """The metric's numbers by seed, of the seeds that have one."""
        found = {seed: metric.value(self, model, seed) for seed in self.seeds}
        return {seed: metric.scale * value for seed, value in found.items() if value is not None}

    def mean(self, key, model):
        return interval(self.by_seed(self.metric(key), model).values())

    def difference(self, key, model, other='crate'):
        """`model` minus `other`, paired by seed."""
        metric = self.metric(key)
        return difference(self.by_seed(metric, model), self.by_seed(metric, other))

    def accuracies(self, seed, model, name='probe', of='linear', pooling=None):
        """Accuracy by layer, in the order of the layers; None if it is missing."""
        found = self.store.value(f'seed-{seed}/{model}/{name}')
        if found is None:
            return None
        pooling = pooling or self.options.pooling[0]
        return {
            entry['layer']: entry['result'][of]['correct'] / entry['result'][of]['total']
            for entry in found if entry['pooling'] == pooling and entry['result'].get(of)
        }

    def by_layer(self, model, name='probe', of='linear'):
        """The numbers of all seeds, by layer."""
        found = {}
        for seed in self.seeds:
            for layer, value in (self.accuracies(seed, model, name, of) or {}).items():
                found.setdefault(layer, {})[seed] = 100 * value
        return found

    def best_layer(self, model, of='linear'):
        """That with the highest mean over the seeds."""
        layers = self.by_layer(model, of=of)
        return max(layers, key=lambda layer: statistics.fmean(layers[layer].values())) if layers else None

    def probe_value(self, of, layer):
        def value(results, model, seed):
            found = results.accuracies(seed, model, of=of)
            return found and found.get(layer or results.best_layer(model, of))

        return value

    def encoder(self, model, key, name='measures'):
        """A metric of the layers by block, counted from 1: the values of all seeds."""
        found = {}
        for seed in self.seeds:
            value = self.store.value(f'seed-{seed}/{initial_model(model) if name == "initial" else model}/{name}')
            for number, block in enumerate(value['layers'] if value else [], 1):
                if key in block:
                    entry = block[key]
                    found.setdefault(number, {})[seed] = entry['mean'] if isinstance(entry, dict) else entry
        return found

    def emergence(self, model, name='measures', which='best'):
        """IoU in percent, by seed."""
        found = {}
        for seed in self.seeds:
            value = self.store.value(f'seed-{seed}/{initial_model(model) if name == "initial" else model}/{name}')
            if value and 'emergence' in value:
                found[seed] = 100 * value['emergence'][which]['overlap']['iou']
        return found

    def pairs(self, model):
        """The alternating pairs of measurements: CRATE and the model."""
        model = SAME_SHAPE.get(model, model)
        found = [self.store.value(f'bench/{model}-{pair}') for pair in range(self.options.pairs)]
        return [pair for pair in found if pair]

    def bench(self, model):
        """All measurements of a model's speed."""
        model = SAME_SHAPE.get(model, model)
        if model != 'crate':
            return [pair[model] for pair in self.pairs(model)]
        return [
            pair['crate'] for other in self.options.models if other != 'crate' and other not in SAME_SHAPE
            for pair in self.pairs(other)
        ]

    def speed(self, model):
        """The median of images a second."""
        found = [entry['images_per_second']['median'] for entry in self.bench(model)]
        return statistics.median(found) if found else None

    def time_ratios(self, model):
        """Seconds of an image of `model` over those of CRATE, of every pair."""
        name = SAME_SHAPE.get(model, model)
        return [
            pair['crate']['images_per_second']['median'] / pair[name]['images_per_second']['median']
            for pair in self.pairs(model)
        ]

    def token_pairs(self):
        found = [self.store.value(f'bench/tokens-{pair}') for pair in range(self.options.pairs)]
        return [pair for pair in found if pair]

    def tokens(self, model):
        """The losses of the runs with more tokens, by seed."""
        found = {seed: self.store.value(f'seed-{seed}/{model}/tokens') for seed in self.seeds}
        return {seed: value['loss'] for seed, value in found.items() if value}

    def parameters(self, model):
        """As in the model's file; before there is one, by formula."""
        found = [value for value in (pretrained('parameters')(self, model, seed) for seed in self.seeds) if value]
        return found[0] if found else self.shapes[model].parameters()

    def gflop(self, model):
        found = self.bench(model)
        return found[0]['gflop_per_image'] if found else self.shapes[model].operations(self.options.mask_ratio) * 1e-9

    def programs(self):
        """The versions of the program that computed the results."""
        return sorted({self.store.get(name)['program'] for name in self.store.names()})
