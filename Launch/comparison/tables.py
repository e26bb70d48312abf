"""The tables of the page."""
import statistics

import sentences
from document import Table
from intervals import interval
from sizes import TITLES
from stages import rate_text

VITS = ('vit', 'vit-parameters', 'vit-operations', 'vit-time')


def with_interval(found, digits):
    if found is None:
        return 'missing'
    return f'{found.mean:.{digits}f}' + ('' if found.half is None else f' ± {found.half:.{digits}f}')


def cell(results, key, model):
    return with_interval(results.mean(key, model), results.metric(key).digits)


def milliseconds(results, model):
    speed = results.speed(model)
    return f'{1000 / speed:.3g}' if speed else 'missing'


def top_table(results):
    keys = [
        'loss', 'probe-best', 'probe-last', 'neighbours',
        *(f'finetune-{percent}' for percent in (100, 10) if percent in results.options.percents)
    ]
    heads = {
        'loss': 'validation loss',
        'probe-best': 'linear probe: best layer, %',
        'probe-last': 'last layer, %',
        'neighbours': 'nearest neighbours, %',
        'finetune-100': 'fine-tuned, 100% of labels, %',
        'finetune-10': '10% of labels, %'
    }
    rows = [[
        TITLES[model], f'{results.parameters(model) / 1e6:.2f}', f'{results.gflop(model):.3f}',
        milliseconds(results, model), *(cell(results, key, model) for key in keys)
    ] for model in results.options.models if model in ('crate', *VITS)]
    return Table(['', 'parameters, M', 'GFLOP an image', 'ms an image', *(heads[key] for key in keys)], rows)


def all_numbers(results):
    head = [
        '', 'shape', 'steps', 'learning rate', 'images/s', 'time over CRATE-MAE', 'memory, MiB',
        *(metric.title for metric in results.metrics)
    ]
    rows = []
    for model in results.options.models:
        bench, ratios = results.bench(model), results.time_ratios(model) if model != 'crate' else [1]
        rate = results.search.chosen(model)
        rows.append([
            TITLES[model], results.shapes[model].text(),
            str(results.plan['steps']['time' if model == 'vit-time' else 'table']),
            rate_text(rate) if rate else 'missing', f'{results.speed(model):.1f}' if bench else 'missing',
            f'{statistics.median(ratios):.2f}' if ratios else 'missing',
            f'{statistics.median(entry["peak_memory_bytes"] for entry in bench) / 2 ** 20:.0f}' if bench else 'missing',
            *(cell(results, metric.key, model) if metric.key != 'emergence' or model != 'tost' else 'no attention'
              for metric in results.metrics)
        ])
    return Table(head, rows)


def differences(results):
    others = [model for model in results.options.models if model != 'crate']
    rows = [[
        f'{metric.title}{f", {metric.unit}" if metric.unit else ""}',
        *(sentences.difference_text(results.difference(metric.key, model), metric, has_unit=False)
          if metric.key != 'emergence' or model != 'tost' else 'no attention' for model in others)
    ] for metric in results.metrics]
    return Table(['minus CRATE-MAE', *(TITLES[model] for model in others)], rows)


def layer_table(results):
    """The numbers of the charts."""
    rows = []
    for model in results.options.models:
        for of, name in (('linear', 'linear probe, %'), ('neighbours', 'nearest neighbours, %')):
            for kind, label in (('probe', ''), ('initial-probe', ', initial')):
                values = results.by_layer(model, kind, of)
                rows.append([
                    f'{TITLES[model]}: {name}{label}',
                    *(with_interval(interval(by_seed.values()), 1) for by_seed in values.values())
                ])
        for key, name, digits in (('coding_rate', 'coding rate before attention',
                                   1), ('coding_rate_after', 'coding rate after attention', 1),
                                  ('sparsity', 'fraction of zeros', 3), ('attention_entropy',
                                                                         'entropy of attention, nats', 2)):
            for kind, label in (('measures', ''), ('initial', ', initial')):
                values = results.encoder(model, key, kind)
                rows.append([
                    f'{TITLES[model]}: {name}{label}',
                    *(with_interval(interval(by_seed.values()), digits) for by_seed in values.values())
                ])
    depth = results.shapes['crate'].depth
    rows = [row + [''] * (depth + 2 - len(row)) for row in rows if len(row) > 1]
    return Table(['', *map(str, range(1, depth + 1)), 'norm'], rows, 'the numbers, by layer')
