"""The list of all results in the order in which they are computed, with the seconds that each is expected to take.

First what the plan needs (speed), then the search, then everything for one seed before the next one.
"""
from dataclasses import dataclass, replace
from typing import Callable

import budget
from sizes import SAME_SHAPE, Shape
from stages import LAYER_IMAGES, PICTURES, initial_model, rate_text


@dataclass(frozen=True)
class Item:
    """A result. `kind` is what the table of missing work groups by."""
    name: str
    kind: str
    seconds: float
    run: Callable[[], object]


def pair_of(model, shapes):
    return (('crate', shapes['crate']), (model, shapes[model]))


def measured_models(options):
    """The models that have a speed of their own."""
    return [model for model in options.models if model not in SAME_SHAPE]


def token_shapes(options, shapes):
    """Of CRATE and ToST at more tokens."""
    return {model: replace(shapes[model], image_size=options.tokens_size) for model in ('crate', 'tost')}


def bench_items(options, stages, costs=None):
    """Alternating pairs: CRATE, a model, CRATE, the model, ..."""
    items, shapes = [], stages.shapes
    for pair in range(options.pairs):
        for model in measured_models(options):
            if model != 'crate':
                seconds = costs.bench(options.batch_size * (options.bench_steps + 1), ('crate', model)) if costs else 0
                items.append(
                    Item(f'bench/{model}-{pair}',
                         'speed',
                         seconds,
                         lambda model=model: stages.bench(*pair_of(model, shapes))))
        if 'tost' in options.models:
            named = token_shapes(options, shapes).items()
            items.append(Item(f'bench/tokens-{pair}', 'speed', 0, lambda named=named: stages.bench(*named)))
    return items


class Search:
    """The learning rates that are tried, and the best one of each architecture."""

    def __init__(self, options, store):
        self.options, self.store = options, store
        self.architectures = [
            name for name in ('crate', 'vit', 'tost', 'crate-alpha')
            if any(model == name or (name == 'vit' and model.startswith('vit')) for model in options.models)
        ]

    def loss(self, architecture, rate):
        """None if it is missing; infinite if the run diverged."""
        found = self.store.value(f'search/{architecture}/{rate_text(rate)}')
        return None if found is None else float('inf') if found['loss'] is None else found['loss']

    def best(self, architecture, rates):
        """None while one is missing."""
        losses = {rate: self.loss(architecture, rate) for rate in rates}
        return None if None in losses.values() else min(rates, key=lambda rate: losses[rate])

    def rates(self):
        """The grid; if the best of some architecture is at an edge, with one more value there, for all alike."""
        grid = sorted(self.options.rates)
        best = [self.best(architecture, grid) for architecture in self.architectures]
        if None in best or len(grid) < 2:
            return grid
        lower = [grid[0]**2 / grid[1]] if grid[0] in best else []
        upper = [grid[-1]**2 / grid[-2]] if grid[-1] in best else []
        return lower + grid + upper

    def is_complete(self, architecture):
        return self.best(architecture, self.rates()) is not None

    def chosen(self, model):
        """The best rate of the model's architecture."""
        architecture = 'vit' if model.startswith('vit') else model
        return self.best(architecture, self.rates())


def search_seconds(architecture, costs, steps):
    return budget.START + costs.pretrain(architecture, steps['search']) + costs.evaluate(architecture)


def search_items(stages, search, costs, steps):
    items = []
    for rate in search.rates():
        for architecture in search.architectures:
            seconds = search_seconds(architecture, costs, steps)
            items.append(
                Item(f'search/{architecture}/{rate_text(rate)}',
                     'search for learning rates',
                     seconds,
                     lambda a=architecture, r=rate: stages.search(a, r)))
    return items


def extension_seconds(search, costs, steps):
    """Of one more value of the search, which is planned for while it is not known whether it is needed."""
    if len(search.rates()) > len(search.options.rates) or all(map(search.is_complete, search.architectures)):
        return 0
    return sum(search_seconds(name, costs, steps) for name in search.architectures)


def seed_items(options, stages, search, costs, steps, seed):
    """Everything for one seed; pretraining of all models first."""
    at, models = f'seed-{seed}', options.models
    trained = {model: steps['time'] if model == 'vit-time' else steps['table'] for model in models}
    items = []

    def add(name, kind, seconds, run):
        items.append(Item(f'{at}/{name}', kind, seconds, run))

    for model in models:
        run = stages.run_of(seed, model)
        _, evaluations = budget.evaluations(trained[model] * options.batch_size / costs.counts['train'])
        add(f'{model}/pretrain',
            'pretraining',
            costs.pretrain(model, trained[model]) + evaluations * costs.evaluate(model),
            lambda model=model: stages.pretrain(seed, model, search.chosen(model)))
        add(f'{model}/measures',
            'layers, emergence, error in pixels',
            4 + costs.features(model, LAYER_IMAGES + 3 * PICTURES + options.drawings),
            lambda model=model, run=run: stages.measures(seed, model, run))
    if seed == 0 and {'crate', 'vit'} <= set(models):
        items.append(Item('attention', 'picture of attention', 2, stages.attention))
    for model in models:
        add(f'{model}/probe',
            'linear probe and neighbours',
            costs.probe(model, len(options.pooling)),
            lambda model=model: stages.probe(seed, stages.run_of(seed, model)))
    for percent in sorted(stages.data.subsets, reverse=True):
        for model in models:
            add(f'{model}/finetune-{percent}',
                f'fine-tuning on {percent}% of the labels',
                costs.finetune(model, steps['finetune'][str(percent)]),
                lambda model=model, percent=percent: stages.finetune(seed, model, percent))
    if 'tost' in models:
        for model, shape in token_shapes(options, stages.shapes).items():
            add(f'{model}/tokens',
                'ToST and CRATE with more tokens',
                token_seconds(costs, model, shape, steps['tokens']),
                lambda model=model, shape=shape: stages.tokens(seed, model, shape, search.chosen(model)))
    return items + initial_items(options, stages, costs, seed)


def token_seconds(costs, model, shape: Shape, count):
    slower = shape.operations() / costs.shapes[model].operations()
    return budget.START + (costs.pretrain(model, count) - budget.START + 2 * costs.evaluate(model)) * slower


def initial_items(options, stages, costs, seed):
    items = []
    for model in dict.fromkeys(map(initial_model, options.models)):
        items.append(
            Item(f'seed-{seed}/{model}/initial',
                 'layers and emergence of initial weights',
                 4 + costs.features(model, LAYER_IMAGES + options.drawings),
                 lambda model=model: stages.measures(seed, model, stages.initial_run(seed, model), is_trained=False)))
        items.append(
            Item(f'seed-{seed}/{model}/initial-probe',
                 'linear probe of initial weights',
                 costs.probe(model, len(options.pooling)),
                 lambda model=model: stages.probe(seed, stages.initial_run(seed, model))))
    return items


def all_items(options, stages, search, costs, steps):
    items = bench_items(options, stages, costs) + search_items(stages, search, costs, steps)
    for seed in range(options.seeds):
        items += seed_items(options, stages, search, costs, steps, seed)
    return items
