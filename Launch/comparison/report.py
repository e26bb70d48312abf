"""Composes the page from the results that are there."""
import statistics
from pathlib import Path

import budget
import sentences
from document import Bullets, Heading, Picture, Table, Text, markdown, page
from intervals import interval
from layers import layer_charts
from sizes import ARCHITECTURE_TITLES, TITLES
from stages import PICTURES, rate_text
from store import write_atomically
from tables import all_numbers, differences, layer_table, top_table, with_interval

TITLE = 'CRATE-MAE and ViT-MAE compared'
ALIKE = (
    'All models are masked autoencoders on the same images, in the same order, with the same crops and masks for a '
    'seed. Batch size, optimiser, schedule and weight decay are the same; targets are standardised patches '
    '(--norm-pix). The learning rate of each architecture is that of the search below, found on a seed that is not in '
    'the tables; all ViTs have the same.')
READING = (
    'Values are means over {seeds} ± half of a 95% interval (Student). Differences are paired by seed. Each interval '
    'stands alone: of 20 true zeros, one is expected to be excluded. A best layer is chosen on the images that it is '
    'measured on, for all models alike. Features are the {pooling}; the loss trains no class token directly in any of '
    'the models. The error of pixels (0 to 1) is over the hidden patches of {pictures} validation images, with mean '
    'and deviation of a patch taken from the image.'
)


def findings(results):
    """Sentences; those about ViT first."""
    others = [model for model in results.options.models if model != 'crate']
    parts = [Bullets(list(filter(None, (sentences.costs(results, model) for model in others))))]
    for model in others:
        found = sentences.comparisons(results, model)
        if found:
            parts += [Heading(f'{TITLES[model]} beside CRATE-MAE', 3), Bullets(found)]
    layers = [
        sentence(results, model) for sentence in (sentences.compression, sentences.sparsity, sentences.emergence)
        for model in results.options.models if model in ARCHITECTURE_TITLES
    ]
    if any(layers):
        parts += [
            Heading('What layers do', 3),
            Text(
                'CRATE is derived so that attention compresses the tokens and the next layer makes them sparse. '
                'Coding rates are measured on the subspaces of each model, so their level differs between models; '
                'compare before with after.'),
            Bullets(list(filter(None, layers)))
        ]
    return [part for part in parts if not isinstance(part, Bullets) or part.items] or [Text('No results yet.')]


def search_parts(results):
    search = results.search
    rates = search.rates()
    head = ['validation loss at a learning rate of', *map(rate_text, rates)]
    rows, remarks = [], []
    for name in search.architectures:
        best = search.best(name, rates)
        losses = [search.loss(name, rate) for rate in rates]
        texts = [
            'missing' if loss is None else 'diverged' if loss == float('inf') else f'{loss:.4f}' for loss in losses
        ]
        rows.append([
            ARCHITECTURE_TITLES[name], *(f'{text} (best)' if rate == best else text for rate, text in zip(rates, texts))
        ])
        if best is not None and best in (rates[0], rates[-1]):
            remarks.append(
                f'The best learning rate of {ARCHITECTURE_TITLES[name]} is at an edge of the grid: one beyond it may '
                'be better.'
            )
    extended = len(rates) - len(results.options.rates)
    text = (
        f'Each architecture had the same search: {len(rates)} learning rates, {results.plan["steps"]["search"]} steps '
        'each (the runs of the tables '
        f'have {results.plan["steps"]["table"]}), one seed.' +
        (f' The grid was extended by {extended} at an edge, for all alike, since the best of some architecture '
         f'was there.'
         if extended else ''))
    return [Text(text), Table(head, rows), *(Text(remark, remark=True) for remark in remarks)]


def token_parts(results):
    pairs = results.token_pairs()
    rows = []
    for model in ('crate', 'tost'):
        found = [pair[model] for pair in pairs]
        loss = with_interval(interval(results.tokens(model).values()), 4)
        rows.append([
            TITLES[model],
            *((f'{found[0]["gflop_per_image"]:.3f}',
               f'{statistics.median(one["images_per_second"]["median"] for one in found):.1f}',
               f'{statistics.median(one["peak_memory_bytes"] for one in found) / 2 ** 20:.0f}') if found else
              ('missing', ) * 3), loss
        ])
    size = results.options.tokens_size
    steps = results.plan['steps']['tokens']
    return [
        Text(f'Images of {size} pixels in patches of {results.options.patch_size}; the loss is after {steps} steps.'),
        Table(['', 'GFLOP an image', 'images/s', 'memory, MiB', 'validation loss'], rows),
        Bullets(sentences.token_statistics(results))
    ]


def missing_parts(items, results):
    """What is computed and what is missing, by kind; expected times are corrected by how long the same kind took so
    far."""
    kinds = {}
    for item in items:
        kinds.setdefault(item.kind, []).append(item)
    rows, rest = [], 0
    for kind, found in kinds.items():
        done = [item for item in found if results.store.get(item.name)]
        left = sum(expected(item, done, results.store) for item in found if item not in done)
        took = sum(results.store.get(item.name)['seconds'] for item in done)
        rest += left
        rows.append(
            [kind, f'{len(done)} of {len(found)}',
             budget.duration(took),
             budget.duration(left) if left else ''])
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
        parts.append(
            Text(
                f'Not complete: about {budget.duration(rest)} of work is missing; see the last table. The same '
                'command continues.',
                remark=True))
    pooling = {'mean': 'mean of the patches', 'class': 'class token'}[options.pooling[0]]
    parts += [
        top_table(results),
        Text(ALIKE),
        Text(
            READING.format(seeds=f'{options.seeds} seed' + 's' * (options.seeds > 1),
                           pooling=pooling,
                           pictures=PICTURES)),
        Heading('What was found'), *findings(results),
        Heading('Differences'),
        Text('95% intervals over seeds, paired.'),
        differences(results),
        Heading('All numbers'),
        all_numbers(results),
        Heading('By layer'),
        layer_charts(results),
        layer_table(results)
    ]
    if picture.exists():
        parts += [
            Heading('Attention'),
            Picture(
                picture,
                'Attention of the class token in the last block, seed 0, one validation image: CRATE-MAE above, '
                'ViT-MAE of equal width below. From left to right the image, the heads, and their mean; in the second '
                'row of each, what the mask of 60% of the attention leaves.')
        ]
    parts += [Heading('Search for learning rates'), *search_parts(results)]
    if 'tost' in options.models:
        parts += [Heading('ToST and CRATE with more tokens'), *token_parts(results)]
    return parts + [
        Heading('Conditions'),
        Bullets(conditions(results) + machine),
        Heading('Computed and missing'), table
    ]


def conditions(results):
    options, steps, counts = results.options, results.plan['steps'], results.plan['counts']
    finetune = ', '.join(
        f'{steps["finetune"][str(percent)]} steps on {percent}% ({counts["subsets"][str(percent)]} images)'
        for percent in sorted(options.percents, reverse=True))
    return [
        f'{counts["train"]} training images and {counts["validation"]} validation images; {options.image_size} pixels '
        f'in patches of {options.patch_size}',
        f'Pretraining: {steps["table"]} steps ({steps["time"]} of ViT at equal time) of {options.batch_size} images, '
        f'weight decay {options.weight_decay}, mask ratio {options.mask_ratio}',
        f'Fine-tuning of all weights at a learning rate of {rate_text(options.finetune_rate)}, not searched for: '
        f'{finetune}',
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
