"""The command: speed, plan, and the loop over what is missing."""
import statistics
import subprocess
import sys
import time

import budget
import items
import report
from data import Data
from options import LATER, checked, machine, parser, settings
from plan import plan_text
from program import ROOT, STOPPED, Program, Stopped
from results import Results
from sizes import Shape, shapes
from stages import Stages
from store import Refused, Store


class Comparison:

    def __init__(self, options):
        self.options, self.store = options, Store(options.work)
        self.store.lock()
        self.store.require_settings(settings(options), LATER)
        self.program = Program(options.crate, options.launcher, options.threads, options.precision,
                               self.store.work / 'logs', self.store.lock_file)
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
            raise Refused(
                f'the shards are not those of the results in {self.store.work}; use the same, or another --work')
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
        return {
            model: budget.Rate(results.speed(model),
                               results.speed(model) * results.gflop(model))
            for model in self.options.models
        }

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
        print(plan_text(self.options, self.results(), self.items(),
                        items.extension_seconds(self.search, self.costs, self.stages.plan['steps'])),
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
            print(f'{clock()} {missing[0].name}, about {budget.duration(missing[0].seconds)}; {len(missing) - 1} more',
                  flush=True)
            self.compute(missing[0])
            self.write_pages()
        print(f'complete: {self.store.work}.md and {self.store.work}.html')


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
