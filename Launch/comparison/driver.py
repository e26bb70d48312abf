"""The command: options, plan, and the loop over what is missing."""
import argparse
import datetime
import math
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import budget
import items
import report
from data import Data
from program import ROOT, STOPPED, Program, Stopped
from results import Results
from sizes import SAME_SHAPE, TITLES, Shape, shapes
from stages import Stages
from store import Refused, Store

# Options whose change makes other results; only the seeds may become more or fewer.
SETTINGS = ['archive', 'data', 'validation', 'image-size', 'patch-size', 'dim', 'depth', 'heads', 'models', 'batch-size', 'weight-decay',
            'mask-ratio', 'rates', 'finetune-rate', 'labels', 'pooling', 'steps', 'budget', 'threads', 'precision', 'launcher', 'pairs',
            'bench-steps', 'tokens-size', 'drawings', 'subset']
# Of these, those that speed does not depend on.
LATER = ['models', 'weight-decay', 'rates', 'finetune-rate', 'pooling', 'steps', 'budget', 'pairs']


def parser(description):
    def subset(text):
        percent, _, path = text.partition('=')
        return int(percent), os.path.abspath(path)

    options = argparse.ArgumentParser(prog='Launch/claims', description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = options.add_argument
    data = os.environ.get('CRATE_DATA')
    add('archive', nargs='?', metavar='ARCHIVE', help='archive of CIFAR-10, as for Launch/quality (default: CRATE_DATA/cifar10-half.tar)')
    add('--data', metavar='DIR', help='labelled shards to train on, instead of the archive')
    add('--validation', metavar='DIR', help='labelled shards to evaluate on')
    add('--subset', metavar='PERCENT=DIR', type=subset, action='append', default=[],
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
    add('--rates', nargs='+', type=positive, default=[2.5e-4, 5e-4, 1e-3, 2e-3], help='learning rates that are tried for each architecture')
    add('--finetune-rate', type=positive, default=1e-3)
    add('--labels', nargs='*', type=int, choices=range(1, 101), metavar='PERCENT', default=None,
        help='parts of the labels for fine-tuning (default: 100 10 1)')
    add('--pooling', nargs='+', choices=['mean', 'class'], default=['mean'], help='features of the probe; the first is in the tables')
    add('--tokens-size', type=count, default=64, help='image size at which ToST and CRATE are compared')
    add('--drawings', type=count, default=200, help='images with masks')
    add('--budget', metavar='TIME', help='time for everything, such as 90m or 5h; chooses the steps (default: 6h)')
    add('--steps', type=count, help='pretraining steps, instead of --budget; the other steps are parts of these')
    add('--pairs', type=count, default=3, help='measurements of speed')
    add('--bench-steps', type=count, default=4, help='steps of each of them')
    add('--threads', type=count, default=1)
    add('--precision', choices=['fp32', 'bf16'], default='fp32')
    add('--launcher', metavar='COMMAND', help='in front of the commands of crate, such as "mpirun -n 8"')
    add('--work', metavar='DIR', type=os.path.abspath, default=str(ROOT / 'Checkpoints/claims'), help='(default: Checkpoints/claims)')
    add('--crate', metavar='FILE', type=os.path.abspath, default=os.environ.get('CRATE', str(ROOT / '.build/release/crate')))
    add('--plan', action='store_true', help='only measure the speed, and print what would be done and how long it takes')
    add('--pages', action='store_true', help='only write the pages again')
    options.set_defaults(default_archive=data and f'{data}/cifar10-half.tar')
    return options


def count(text):
    value = int(text)
    if not 1 <= value <= 10 ** 9:
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
            raise Refused('--labels draws parts of an archive; with --data, give shards of the parts as --subset 10=DIR')
        options.data, options.validation = map(os.path.abspath, (options.data, options.validation))
        options.labels = [100]
        options.percents = sorted({100, *(percent for percent, _ in options.subset)})
    else:
        options.archive = options.archive or options.default_archive
        if not options.archive or not Path(options.archive).is_file():
            raise Refused(f'CIFAR-10 archive {options.archive or ""} not found; give its path, set CRATE_DATA, or give --data and --validation')
        options.archive = os.path.abspath(options.archive)
        options.labels = sorted({100, 10, 1} if options.labels is None else set(options.labels), reverse=True)
        options.percents = options.labels
    if 'crate' not in options.models:
        raise Refused('every model is compared with crate; add it to --models')
    for model, other in SAME_SHAPE.items():
        if model in options.models and other not in options.models:
            raise Refused(f'{model} is {other} with other steps; add {other} to --models')
    options.models = [model for model in TITLES if model in options.models]
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
    return [f'Machine: {values.get("model name", "?")}, {widest}, {len(os.sched_getaffinity(0))} cores',
            f'Written on {datetime.date.today()} by Launch/claims']


class Comparison:
    def __init__(self, options):
        self.options, self.store = options, Store(options.work)
        self.store.lock()
        self.store.require_settings(settings(options), LATER)
        self.program = Program(options.crate, options.launcher, options.threads, options.precision, self.store.work / 'logs',
                               self.store.lock_file)
        self.program.obey_signals()
        if options.launcher:  # what killed jobs of Open MPI left
            subprocess.run([ROOT / 'Launch/remove-leftovers'], check=True)
        self.version = self.program.version()
        base = Shape('crate', options.dim, options.depth, options.heads, options.image_size, options.patch_size)
        self.shapes = shapes(base, options.mask_ratio)
        self.data = Data(options, self.store, self.program)
        self.stages = Stages(options, self.store, self.program, self.data, self.shapes)
        self.search = items.Search(options, self.store)
        self.costs = None

    def compute(self, item):
        start = time.monotonic()
        value = item.run()
        self.store.put(item.name, value, seconds=time.monotonic() - start, expected=item.seconds, program=self.version)

    def measure_speed(self):
        for item in items.bench_items(self.options, self.stages):
            if not self.store.get(item.name):
                print(f'{clock()} {item.name}', flush=True)
                self.compute(item)

    def prepare_plan(self):
        """Chooses the steps once; later calls use the same."""
        plan = self.store.plan
        if plan and plan['data'] != self.data.checksums():
            raise Refused(f'the shards are not those of the results in {self.store.work}; use the same, or another --work')
        counts = plan['counts'] if plan else self.data.counts()
        self.costs = budget.Costs(self.shapes, self.rates(), counts, self.options.batch_size, self.options.depth + 1)
        if plan is None:
            plan = {'counts': counts, 'data': self.data.checksums(), 'steps': self.chosen_steps()}
            if not self.options.plan:
                self.store.save_plan(plan)
        self.stages.plan = plan

    def results(self):
        return Results(self.options, self.store, self.shapes, self.stages.plan)

    def rates(self):
        results = self.results()
        return {model: budget.Rate(results.speed(model), results.speed(model) * results.gflop(model)) for model in self.options.models}

    def chosen_steps(self):
        ratio = 1
        if 'vit-time' in self.options.models:
            ratio = 1 / statistics.median(self.results().time_ratios('vit'))

        def steps(table):
            return budget.steps(table, self.options.batch_size, self.costs.counts['subsets'], ratio)

        def cost(table):
            found = items.all_items(self.options, self.stages, self.search, self.costs, steps(table))
            return sum(item.seconds for item in found) + items.extension_seconds(self.search, self.costs, steps(table))

        return steps(self.options.steps or budget.largest(budget.parsed(self.options.budget), cost))

    def items(self):
        return items.all_items(self.options, self.stages, self.search, self.costs, self.stages.plan['steps'])

    def print_plan(self):
        print(plan_text(self.options, self.results(), self.items(), items.extension_seconds(self.search, self.costs, self.stages.plan['steps'])),
              flush=True)

    def write_pages(self):
        report.write(self.results(), self.items(), machine())

    def run(self):
        self.data.prepare()
        self.measure_speed()
        self.prepare_plan()
        if not self.options.pages:
            self.print_plan()
        if self.options.plan:
            return
        self.write_pages()
        if self.options.pages:
            return
        # The list changes when the search is complete.
        while missing := [item for item in self.items() if not self.store.get(item.name)]:
            print(f'{clock()} {missing[0].name}, about {budget.duration(missing[0].seconds)}; {len(missing) - 1} more', flush=True)
            self.compute(missing[0])
            self.write_pages()
        print(f'complete: {self.store.work}.md and {self.store.work}.html')


def plan_text(options, results, found, extension):
    """What is compared, what is done, and how long it takes."""
    steps, store, kinds = results.plan['steps'], results.store, {}
    for item in found:
        kinds.setdefault(item.kind, []).append(item)
    lines = [f'{"model":28}{"shape":36}{"parameters":>12}{"GFLOP":>8}{"images/s":>10}{"steps":>8}{"expected":>10}']
    for model in options.models:
        count = steps['time' if model == 'vit-time' else 'table']
        own = sum(item.seconds for item in found if model in item.name.split('/'))
        lines.append(f'{TITLES[model]:28}{results.shapes[model].text():36}{results.parameters(model):12}{results.gflop(model):8.3f}'
                     f'{results.speed(model):10.1f}{count:8}{budget.duration(own):>10}')
    finetune = ', '.join(f'{steps["finetune"][str(percent)]} on {percent}% of the labels' for percent in sorted(options.percents, reverse=True))
    lines += ['', f'steps of {options.batch_size} images: search {steps["search"]}; fine-tuning {finetune}; more tokens {steps["tokens"]}', '',
              f'{"work":52}{"results":>8}{"done":>6}{"expected":>10}']
    for kind, group in kinds.items():
        done = sum(store.get(item.name) is not None for item in group)
        lines.append(f'{kind:52}{len(group):8}{done:6}{budget.duration(sum(item.seconds for item in group)):>10}')
    if extension:
        lines.append(f'{"one more learning rate, if the best is at an edge":66}{budget.duration(extension):>10}')
    left = [item.seconds for item in found if not store.get(item.name)]
    lines += [f'{"everything":66}{budget.duration(extension + sum(item.seconds for item in found)):>10}',
              f'{"still to do":66}{budget.duration(extension + sum(left)):>10}', '']
    return '\n'.join(lines)


def clock():
    return time.strftime('%H:%M')


def main(description):
    options = parser(description).parse_args()
    try:
        Comparison(checked(options)).run()
    except Refused as refused:
        sys.exit(f'Launch/claims: {refused}')
    except Stopped:
        print('Launch/claims: stopped; the same command continues', file=sys.stderr)
        sys.exit(STOPPED)
