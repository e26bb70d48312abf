"""The charts of the page: layers, and losses during training."""
from charts import Series, chart
from document import Charts
from intervals import interval
from sizes import ARCHITECTURE_TITLES, TITLES

COLOURS = {name: number for number, name in enumerate(TITLES)}


def points(values, shift=0):
    """Points of a chart from the values of the seeds, by position."""
    found = []
    for place, by_seed in values.items():
        one = interval(by_seed.values())
        if one:
            found.append((place - shift, one.mean, one.half))
    return found


def layer_charts(results):
    figures, models, depth = [], results.options.models, results.shapes['crate'].depth
    layers, blocks = [*map(str, range(1, depth + 1)), 'norm'], [*map(str, range(1, depth + 1))]

    def placed(values):
        return points({layers.index(layer): by_seed for layer, by_seed in values.items()})

    for of, name in (('linear', 'Linear probe'), ('neighbours', 'Nearest neighbours')):
        figures.append(
            chart(f'{name} by layer',
                  [Series(TITLES[model], COLOURS[model], placed(results.by_layer(model, of=of))) for model in models],
                  'layer', 'top-1 in %', layers))
    figures.append(
        chart('Linear probe of initial weights', [
            Series(TITLES[model], COLOURS[model], placed(results.by_layer(model, 'initial-probe'))) for model in models
        ], 'layer', 'top-1 in %', layers))
    figures.append(
        chart('Sparsity', [
            Series(f'{TITLES[model]}{label}', COLOURS[model], points(results.encoder(model, 'sparsity', name), 1),
                   dashed) for model in models if model in ARCHITECTURE_TITLES
            for name, label, dashed in (('measures', '', False), ('initial', ', initial', True))
        ], 'block', 'fraction of zeros', blocks))
    for model in models:
        figures.append(
            chart(f'Coding rate: {TITLES[model]}', [
                Series(f'{position} attention{label}', colour, points(results.encoder(model, key, name), 1), dashed)
                for name, label, dashed in (('measures', '', False), ('initial', ', initial', True))
                for key, position, colour in (('coding_rate', 'before', 0), ('coding_rate_after', 'after', 1))
            ], 'block', 'nats', blocks))
    figures.append(curves(results))
    return Charts(list(filter(None, figures)))


def curves(results):
    """Validation losses over the images seen, without those of initial weights, which are far above."""
    series = []
    for model in results.options.models:
        runs = [results.store.value(f'seed-{seed}/{model}/pretrain') for seed in results.seeds]
        by_step = {}
        for seed, run in enumerate(runs):
            for step, loss in run['curve'] if run else []:
                by_step.setdefault(step * results.options.batch_size / 1000, {})[seed] = loss
        series.append(
            Series(TITLES[model], COLOURS[model], points({place: by_step[place]
                                                          for place in sorted(by_step) if place})))
    if all(len(one.points) < 2 for one in series):  # as long runs only are evaluated before their end
        return ''
    return chart('Validation loss during training', series, 'thousands of images', 'loss')
