"""The options of Launch/claims, checked, and what of them must not change between calls."""
import argparse
import datetime
import math
import os
from pathlib import Path

import budget
from program import ROOT
from sizes import SAME_SHAPE, TITLES
from store import Refused

# Options whose change makes other results; only the seeds may become more or fewer.
SETTINGS = [
    'archive', 'data', 'validation', 'image-size', 'patch-size', 'dim', 'depth', 'heads', 'models', 'batch-size',
    'weight-decay', 'mask-ratio', 'rates', 'finetune-rate', 'labels', 'pooling', 'steps', 'budget', 'threads',
    'precision', 'launcher', 'pairs', 'bench-steps', 'tokens-size', 'drawings', 'subset'
]
# Of these, those that speed does not depend on.
LATER = ['models', 'weight-decay', 'rates', 'finetune-rate', 'pooling', 'steps', 'budget', 'pairs']


def parser(description):
    def subset(text):
        percent, _, path = text.partition('=')
        return int(percent), os.path.abspath(path)

    options = argparse.ArgumentParser(prog='Launch/claims',
                                      description=description,
                                      formatter_class=argparse.RawDescriptionHelpFormatter)
    add = options.add_argument
    data = os.environ.get('CRATE_DATA')
    add('archive',
        nargs='?',
        metavar='ARCHIVE',
        help='archive of CIFAR-10, as for Launch/quality (default: CRATE_DATA/cifar10-half.tar)')
    add('--data', metavar='DIR', help='labelled shards to train on, instead of the archive')
    add('--validation', metavar='DIR', help='labelled shards to evaluate on')
    add('--subset',
        metavar='PERCENT=DIR',
        type=subset,
        action='append',
        default=[],
        help='with --data: shards of a part of the training images, such as 10=shards/train-10')
    add('--image-size', type=count, default=32)
    add('--patch-size', type=count, default=4)
    add('--dim', type=count, default=192, help='width of CRATE; the same holds for depth and heads')
    add('--depth', type=count, default=6)
    add('--heads', type=count, default=6)
    add('--models', nargs='+', choices=TITLES, default=list(TITLES), help='those to compare (default: all)')
    add('--seeds', type=count, default=3)
    add('--batch-size', type=count, default=32)
    add('--weight-decay', type=positive, default=0.1)
    add('--mask-ratio', type=positive, default=0.75)
    add('--rates',
        nargs='+',
        type=positive,
        default=[2.5e-4, 5e-4, 1e-3, 2e-3],
        help='learning rates that are tried for each architecture')
    add('--finetune-rate', type=positive, default=1e-3)
    add('--labels',
        nargs='*',
        type=int,
        choices=range(1, 101),
        metavar='PERCENT',
        default=None,
        help='parts of the labels for fine-tuning (default: 100 10 1)')
    add('--pooling',
        nargs='+',
        choices=['mean', 'class'],
        default=['mean'],
        help='features of the probe; the first is in the tables')
    add('--tokens-size', type=count,
        help='image size at which ToST and CRATE are compared (default: twice --image-size)')
    add('--drawings', type=count, default=200, help='images with masks')
    add('--budget', metavar='TIME', help='time for everything, such as 90m or 5h; chooses the steps (default: 6h)')
    add('--steps', type=count, help='pretraining steps, instead of --budget; the other steps are parts of these')
    add('--pairs', type=count, default=3, help='measurements of speed')
    add('--bench-steps', type=count, default=4, help='steps of each of them')
    add('--threads', type=count, default=1)
    add('--precision', choices=['fp32', 'bf16'], default='fp32')
    add('--launcher', metavar='COMMAND', help='in front of the commands of crate, such as "mpirun -n 8"')
    add('--work',
        metavar='DIR',
        type=os.path.abspath,
        default=str(ROOT / 'Checkpoints/claims'),
        help='(default: Checkpoints/claims)')
    add('--crate',
        metavar='FILE',
        type=os.path.abspath,
        default=os.environ.get('CRATE', str(ROOT / '.build/release/crate')))
    add('--plan',
        action='store_true',
        help='only measure the speed, and print what would be done and how long it takes')
    add('--pages', action='store_true', help='only write the pages again')
    options.set_defaults(default_archive=data and f'{data}/cifar10-half.tar')
    return options


def count(text):
    value = int(text)
    if not 1 <= value <= 10**9:
        raise argparse.ArgumentTypeError(f'{text}: give a number from 1 up')
    return value


def positive(text):
    value = float(text)
    if not (math.isfinite(value) and value > 0):
        raise argparse.ArgumentTypeError(f'{text}: give a finite number above 0')
    return value


def checked(options):
    """The options with what follows from them. Throws `Refused`."""
    if options.steps and options.budget:
        raise Refused('--steps and --budget exclude each other; give one')
    if bool(options.data) != bool(options.validation):
        raise Refused('--data and --validation belong together; give both')
    if options.data and options.archive:
        raise Refused(f'give {options.archive} or --data, not both')
    if options.data:
        if options.labels is not None:
            raise Refused(
                '--labels draws parts of an archive; with --data, give shards of the parts as --subset 10=DIR')
        options.data, options.validation = map(os.path.abspath, (options.data, options.validation))
        options.labels = [100]
        options.percents = sorted({100, *(percent for percent, _ in options.subset)})
    else:
        options.archive = options.archive or options.default_archive
        if not options.archive or not Path(options.archive).is_file():
            raise Refused(
                f'CIFAR-10 archive {options.archive or ""} not found; give its path, set CRATE_DATA, or give --data '
                'and --validation'
            )
        options.archive = os.path.abspath(options.archive)
        options.labels = sorted({100, 10, 1} if options.labels is None else set(options.labels), reverse=True)
        options.percents = options.labels
    if 'crate' not in options.models:
        raise Refused('every model is compared with crate; add it to --models')
    for model, other in SAME_SHAPE.items():
        if model in options.models and other not in options.models:
            raise Refused(f'{model} is {other} with other steps; add {other} to --models')
    options.models = [model for model in TITLES if model in options.models]
    options.tokens_size = options.tokens_size or 2 * options.image_size
    for name in ('image_size', 'tokens_size'):
        if getattr(options, name) % options.patch_size:
            raise Refused(f'--{name.replace("_", "-")} is no multiple of --patch-size; change one of them')
    if not options.steps:
        options.budget = options.budget or '6h'
        try:
            budget.parsed(options.budget)
        except ValueError as error:
            raise Refused(f'--budget {error}')
    if not os.access(options.crate, os.X_OK):
        raise Refused(f'{options.crate} is missing; run: swift build -c release')
    return options


def settings(options):
    values = {name: getattr(options, name.replace('-', '_')) for name in SETTINGS}
    return values | {'subset': [f'{percent}={path}' for percent, path in values['subset']]}


def machine():
    lines = Path('/proc/cpuinfo').read_text().splitlines()
    values = {key.strip(): value.strip() for key, _, value in (line.partition(':') for line in lines)}
    flags = values.get('flags', '').split()
    widest = next((name for name in ('amx_bf16', 'avx512_bf16', 'avx512f', 'avx2') if name in flags), '?')
    return [
        f'Machine: {values.get("model name", "?")}, {widest}, {len(os.sched_getaffinity(0))} cores',
        f'Written on {datetime.date.today()} by Launch/claims'
    ]
