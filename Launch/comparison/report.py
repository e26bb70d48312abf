"""Composes the page from the results that are there."""
import statistics
from pathlib import Path

import budget
import sentences
from charts import Series, chart
from document import Bullets, Charts, Heading, Picture, Table, Text, markdown, page
from intervals import interval
from sizes import ARCHITECTURE_TITLES, TITLES
from stages import PICTURES, rate_text
from store import write_atomically

TITLE = 'CRATE-MAE and ViT-MAE compared'
COLOURS = {name: number for number, name in enumerate(TITLES)}
ALIKE = ('All models are masked autoencoders on the same images, in the same order, with the same crops and masks for a seed. Batch size, optimiser, '
         'schedule and weight decay are the same; targets are standardised patches (--norm-pix). The learning rate of each architecture is '
         'that of the search below, found on a seed that is not in the tables; all ViTs have the same.')
READING = ('Values are means over {seeds} ± half of a 95% interval (Student). Differences are paired by seed. Each interval stands '
           'alone: of 20 true zeros, one is expected to be excluded. A best layer is chosen on the images that it is measured on, for all models alike. '
           'Features are the {pooling}; the loss trains no class token directly in any of the models. The error of '
           'pixels (0 to 1) is over the hidden patches of {pictures} validation images, with mean and deviation of a patch taken from the image.')


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
    keys = ['loss', 'probe-best', 'probe-last', 'neighbours', *(f'finetune-{percent}' for percent in (100, 10) if percent in results.options.percents)]
    heads = {'loss': 'validation loss', 'probe-best': 'linear probe: best layer, %', 'probe-last': 'last layer, %',
             'neighbours': 'nearest neighbours, %', 'finetune-100': 'fine-tuned, 100% of labels, %', 'finetune-10': '10% of labels, %'}
    rows = [[TITLES[model], f'{results.parameters(model) / 1e6:.2f}', f'{results.gflop(model):.3f}', milliseconds(results, model),
             *(cell(results, key, model) for key in keys)] for model in results.options.models if model in ('crate', *VITS)]
    return Table(['', 'parameters, M', 'GFLOP an image', 'ms an image', *(heads[key] for key in keys)], rows)


VITS = ('vit', 'vit-parameters', 'vit-operations', 'vit-time')


def all_numbers(results):
    head = ['', 'shape', 'steps', 'learning rate', 'images/s', 'time over CRATE-MAE', 'memory, MiB', *(metric.title for metric in results.metrics)]
    rows = []
    for model in results.options.models:
        bench, ratios = results.bench(model), results.time_ratios(model) if model != 'crate' else [1]
        rate = results.search.chosen(model)
        rows.append([
            TITLES[model], results.shapes[model].text(),
            str(results.plan['steps']['time' if model == 'vit-time' else 'table']), rate_text(rate) if rate else 'missing',
            f'{results.speed(model):.1f}' if bench else 'missing', f'{statistics.median(ratios):.2f}' if ratios else 'missing',
            f'{statistics.median(entry["peak_memory_bytes"] for entry in bench) / 2 ** 20:.0f}' if bench else 'missing',
            *(cell(results, metric.key, model) if metric.key != 'emergence' or model != 'tost' else 'no attention' for metric in results.metrics)])
    return Table(head, rows)


def findings(results):
    """Sentences; those about ViT first."""
    others = [model for model in results.options.models if model != 'crate']
    parts = [Bullets(list(filter(None, (sentences.costs(results, model) for model in others))))]
    for model in others:
        found = sentences.comparisons(results, model)
        if found:
            parts += [Heading(f'{TITLES[model]} beside CRATE-MAE', 3), Bullets(found)]
    layers = [sentence(results, model) for sentence in (sentences.compression, sentences.sparsity, sentences.emergence)
              for model in results.options.models if model in ARCHITECTURE_TITLES]
    if any(layers):
        parts += [Heading('What layers do', 3), Text(
            'CRATE is derived so that attention compresses the tokens and the next layer makes them sparse. Coding rates are measured on '
            'the subspaces of each model, so their level differs between models; compare before with after.'), Bullets(list(filter(None, layers)))]
    return [part for part in parts if not isinstance(part, Bullets) or part.items] or [Text('No results yet.')]


def differences(results):
    others = [model for model in results.options.models if model != 'crate']
    rows = [[f'{metric.title}{f", {metric.unit}" if metric.unit else ""}',
             *(sentences.difference_text(results.difference(metric.key, model), metric, has_unit=False)
                             if metric.key != 'emergence' or model != 'tost' else 'no attention' for model in others)]
            for metric in results.metrics]
    return Table(['minus CRATE-MAE', *(TITLES[model] for model in others)], rows)


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
        figures.append(chart(f'{name} by layer', [Series(TITLES[model], COLOURS[model], placed(results.by_layer(model, of=of)))
                                                  for model in models], 'layer', 'top-1 in %', layers))
    figures.append(chart('Linear probe of initial weights', [
        Series(TITLES[model], COLOURS[model], placed(results.by_layer(model, 'initial-probe'))) for model in models], 'layer', 'top-1 in %', layers))
    figures.append(chart('Sparsity', [
        Series(f'{TITLES[model]}{label}', COLOURS[model], points(results.encoder(model, 'sparsity', name), 1), dashed)
        for model in models if model in ARCHITECTURE_TITLES
        for name, label, dashed in (('measures', '', False), ('initial', ', initial', True))], 'block', 'fraction of zeros', blocks))
    for model in models:
        figures.append(chart(f'Coding rate: {TITLES[model]}', [
            Series(f'{position} attention{label}', colour, points(results.encoder(model, key, name), 1), dashed)
            for name, label, dashed in (('measures', '', False), ('initial', ', initial', True))
            for key, position, colour in (('coding_rate', 'before', 0), ('coding_rate_after', 'after', 1))], 'block', 'nats', blocks))
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
        series.append(Series(TITLES[model], COLOURS[model], points({place: by_step[place] for place in sorted(by_step) if place})))
    if all(len(one.points) < 2 for one in series):  # as long runs only are evaluated before their end
        return ''
    return chart('Validation loss during training', series, 'thousands of images', 'loss')


def layer_table(results):
    """The numbers of the charts."""
    rows = []
    for model in results.options.models:
        for of, name in (('linear', 'linear probe, %'), ('neighbours', 'nearest neighbours, %')):
            for kind, label in (('probe', ''), ('initial-probe', ', initial')):
                values = results.by_layer(model, kind, of)
                rows.append([f'{TITLES[model]}: {name}{label}', *(with_interval(interval(by_seed.values()), 1) for by_seed in values.values())])
        for key, name, digits in (('coding_rate', 'coding rate before attention', 1), ('coding_rate_after', 'coding rate after attention', 1),
                                  ('sparsity', 'fraction of zeros', 3), ('attention_entropy', 'entropy of attention, nats', 2)):
            for kind, label in (('measures', ''), ('initial', ', initial')):
                values = results.encoder(model, key, kind)
                rows.append([f'{TITLES[model]}: {name}{label}', *(with_interval(interval(by_seed.values()), digits) for by_seed in values.values())])
    depth = results.shapes['crate'].depth
    rows = [row + [''] * (depth + 2 - len(row)) for row in rows if len(row) > 1]
    return Table(['', *map(str, range(1, depth + 1)), 'norm'], rows, 'the numbers, by layer')


def search_parts(results):
    search = results.search
    rates = search.rates()
    head = ['validation loss at a learning rate of', *map(rate_text, rates)]
    rows, remarks = [], []
    for name in search.architectures:
        best = search.best(name, rates)
        losses = [search.loss(name, rate) for rate in rates]
        texts = ['missing' if loss is None else 'diverged' if loss == float('inf') else f'{loss:.4f}' for loss in losses]
        rows.append([ARCHITECTURE_TITLES[name], *(f'{text} (best)' if rate == best else text for rate, text in zip(rates, texts))])
        if best is not None and best in (rates[0], rates[-1]):
            remarks.append(f'The best learning rate of {ARCHITECTURE_TITLES[name]} is at an edge of the grid: one beyond it may be better.')
    extended = len(rates) - len(results.options.rates)
    text = (f'Each architecture had the same search: {len(rates)} learning rates, {results.plan["steps"]["search"]} steps each (the runs of the tables '
            f'have {results.plan["steps"]["table"]}), one seed.'
            + (f' The grid was extended by {extended} at an edge, for all alike, since the best of some architecture was there.' if extended else ''))
    return [Text(text), Table(head, rows), *(Text(remark, remark=True) for remark in remarks)]


def token_parts(results):
    pairs = results.token_pairs()
    rows = []
    for model in ('crate', 'tost'):
        found = [pair[model] for pair in pairs]
        loss = with_interval(interval(results.tokens(model).values()), 4)
        rows.append([TITLES[model], *((f'{found[0]["gflop_per_image"]:.3f}',
                                       f'{statistics.median(one["images_per_second"]["median"] for one in found):.1f}',
                                       f'{statistics.median(one["peak_memory_bytes"] for one in found) / 2 ** 20:.0f}')
                                      if found else ('missing',) * 3), loss])
    size = results.options.tokens_size
    steps = results.plan['steps']['tokens']
    return [Text(f'Images of {size} pixels in patches of {results.options.patch_size}; the loss is after {steps} steps.'),
            Table(['', 'GFLOP an image', 'images/s', 'memory, MiB', 'validation loss'], rows), Bullets(sentences.token_statistics(results))]


def missing_parts(items, results):
    """What is computed and what is missing, by kind; expected times are corrected by how long the same kind took so far."""
    kinds = {}
    for item in items:
        kinds.setdefault(item.kind, []).append(item)
    rows, rest = [], 0
    for kind, found in kinds.items():
        done = [item for item in found if results.store.get(item.name)]
        left = sum(expected(item, done, results.store) for item in found if item not in done)
        took = sum(results.store.get(item.name)['seconds'] for item in done)
        rest += left
        rows.append([kind, f'{len(done)} of {len(found)}', budget.duration(took), budget.duration(left) if left else ''])
    return rest, Table(['', 'computed', 'took', 'missing, about'], rows)


def expected(item, done, store):
    """Seconds of `item`, by its estimate and by how far the estimates of `done`, of the same kind, were off."""
    planned = sum(other.seconds for other in done)
    if not planned:
        return item.seconds
    return item.seconds * sum(store.get(other.name)['seconds'] for other in done) / planned


def compose(results, items, machine, picture):
    rest, table = missing_parts(items, results)
    options = results.options
    parts = [Heading(TITLE, 1)]
    if rest:
        parts.append(Text(f'Not complete: about {budget.duration(rest)} of work is missing; see the last table. '
                          'The same command continues.', remark=True))
    pooling = {'mean': 'mean of the patches', 'class': 'class token'}[options.pooling[0]]
    parts += [top_table(results), Text(ALIKE), Text(READING.format(seeds=f'{options.seeds} seed' + 's' * (options.seeds > 1), pooling=pooling, pictures=PICTURES)),
              Heading('What was found'), *findings(results),
              Heading('Differences'), Text('95% intervals over seeds, paired.'), differences(results),
              Heading('All numbers'), all_numbers(results), Heading('By layer'), layer_charts(results), layer_table(results)]
    if picture.exists():
        parts += [Heading('Attention'), Picture(picture, 'Attention of the class token in the last block, seed 0, one validation image: CRATE-MAE above, '
                                                         'ViT-MAE of equal width below. From left to right the image, the heads, and their mean; in the second row '
                                                         'of each, what the mask of 60% of the attention leaves.')]
    parts += [Heading('Search for learning rates'), *search_parts(results)]
    if 'tost' in options.models:
        parts += [Heading('ToST and CRATE with more tokens'), *token_parts(results)]
    return parts + [Heading('Conditions'), Bullets(conditions(results) + machine), Heading('Computed and missing'), table]


def conditions(results):
    options, steps, counts = results.options, results.plan['steps'], results.plan['counts']
    finetune = ', '.join(f'{steps["finetune"][str(percent)]} steps on {percent}% ({counts["subsets"][str(percent)]} images)'
                         for percent in sorted(options.percents, reverse=True))
    return [
        f'{counts["train"]} training images and {counts["validation"]} validation images; {options.image_size} pixels in patches of {options.patch_size}',
        f'Pretraining: {steps["table"]} steps ({steps["time"]} of ViT at equal time) of {options.batch_size} images, weight decay {options.weight_decay}, '
        f'mask ratio {options.mask_ratio}',
        f'Fine-tuning of all weights at a learning rate of {rate_text(options.finetune_rate)}, not searched for: {finetune}',
        f'Speed, GFLOP and memory: crate bench, {options.pairs} pairs of CRATE-MAE and the model, alternating, medians',
        f'Threads: {options.threads}; precision {options.precision}; launcher: {options.launcher or "none"}',
        *(f'Program: {version}' for version in results.programs()),
    ]


def write(results, items, machine):
    """Writes WORK.md and WORK.html, next to the working directory."""
    work = results.store.work
    parts = compose(results, items, machine, work.parent / f'{work.name}-attention.png')
    write_atomically(Path(f'{work}.md'), markdown(parts))
    write_atomically(Path(f'{work}.html'), page(TITLE, parts))
