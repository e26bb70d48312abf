"""Prints the results of Launch/quality as Markdown tables.

    python tables.py [--finetune STEPS] RUN...      one directory per seed
"""
import argparse
import json
import re
import statistics
from pathlib import Path


def mean(values):
    return f'{statistics.mean(values):.1f} ({min(values):.1f} to {max(values):.1f})'


def number(path, pattern):
    """The number printed by `crate evaluate`."""
    return float(re.search(pattern, path.read_text()).group(1))


def accuracies(path):
    """The linear probing accuracy of each layer in percent."""
    results = map(json.loads, path.read_text().splitlines())
    return {found['layer']: 100 * found['result']['linear']['correct'] / found['result']['linear']['total'] for found in results}


def losses(runs):
    yield '| | validation loss: mean (minimum to maximum) | by seed |'
    yield '|---|---|---|'
    for name, title in (('crate', 'crate'), ('peer', 'PyTorch')):
        values = [number(run / f'{name}.loss', r'loss ([\d.]+)') for run in runs]
        yield (f'| {title} | {statistics.mean(values):.4f} ({min(values):.4f} to {max(values):.4f}) | '
               f'{", ".join(f"{value:.4f}" for value in values)} |')


def probes(runs):
    found = {name: [accuracies(run / f'{name}.probe') for run in runs] for name in ('crate', 'peer', 'random')}
    yield '| layer | crate, top-1 in % | PyTorch | initial weights | crate minus PyTorch | crate minus initial weights |'
    yield '|---|---|---|---|---|---|'
    for layer in found['crate'][0]:
        crate, peer, random = ([seed[layer] for seed in found[name]] for name in ('crate', 'peer', 'random'))
        yield (f'| {layer} | {mean(crate)} | {mean(peer)} | {mean(random)} | '
               f'{statistics.mean(crate) - statistics.mean(peer):+.1f} | {statistics.mean(crate) - statistics.mean(random):+.1f} |')


def classifiers(runs):
    yield '| | top-1 in %: mean (minimum to maximum) | by seed |'
    yield '|---|---|---|'
    for name, title in (('scratch', 'crate, from scratch'), ('finetuned', 'crate, from the pretrained encoder'),
                        ('peer', 'PyTorch, from scratch')):
        values = [number(run / f'{name}.accuracy', r'top-1 ([\d.]+)%') for run in runs]
        yield f'| {title} | {mean(values)} | {", ".join(f"{value:.1f}" for value in values)} |'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--finetune', metavar='STEPS')
    parser.add_argument('runs', nargs='+', type=Path)
    options = parser.parse_args()
    tables = [losses(options.runs), probes(options.runs)]
    if options.finetune:
        tables.append(classifiers([run / f'finetune-{options.finetune}' for run in options.runs]))
    print('\n\n'.join('\n'.join(table) for table in tables))


if __name__ == '__main__':
    main()
