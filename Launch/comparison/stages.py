"""What is computed for the comparison: one function for each kind of result, which runs crate and returns numbers."""
import json
import math
import re
import shutil
import statistics
import struct

import budget
import pictures
from program import CommandFailed
from sizes import SAME_SHAPE
from store import Refused, write_atomically

PICTURES = 500  # validation images whose error in pixels is measured
LAYER_IMAGES = 64  # whose layers are measured
SEARCH_SEED = 1000  # none of the table's


def log_lines(run):
    """The entries of a run's log; a resumed run may have some steps twice, of which the later count."""
    return [json.loads(line) for line in (run / 'log.jsonl').read_text().splitlines() if line.strip()]


def newest_model(run):
    found = sorted((run / 'checkpoints').glob('step-*/model.safetensors'))
    if not found:
        raise Refused(f'{run} holds no checkpoint; remove it, and it is trained again')
    return found[-1]


def parameter_count(path):
    """The numbers in a safetensors file, from its header."""
    with open(path, 'rb') as file:
        header = json.loads(file.read(struct.unpack('<Q', file.read(8))[0]))
    return sum(math.prod(tensor['shape']) for name, tensor in header.items() if name != '__metadata__')


def rate_text(rate):
    return f'{rate:.4g}'


class Stages:
    """`plan`: the stored plan, with the steps of every part; None until there is one."""

    def __init__(self, options, store, program, data, shapes):
        self.options, self.store, self.program, self.data, self.shapes = options, store, program, data, shapes
        self.plan = None

    @property
    def batch(self):
        return ('--batch-size', self.options.batch_size)

    def run_of(self, seed, model):
        return self.store.work / 'runs' / f'seed-{seed}' / model

    def bench(self, *named):
        """One measurement of each of the pairs of name and shape, one after the other."""
        found = {}
        for name, shape in named:
            text = self.program.run(f'bench/{name}', 'bench', *shape.options(), *self.batch, '--mask-ratio',
                                    self.options.mask_ratio, '--steps', self.options.bench_steps, '--json')
            found[name] = json.loads(text.strip().splitlines()[-1])
        return found

    def train(self, log, run, shape, rate, steps, seed, *more):
        """Trains a masked autoencoder, or continues with it where it was interrupted."""
        self.program.run(log, 'pretrain', '--resume', '--run', run, '--data',
                         self.data.train, *shape.options(), *self.batch, '--steps', steps, '--seed', seed, '--lr',
                         rate_text(rate), '--weight-decay', self.options.weight_decay, '--mask-ratio',
                         self.options.mask_ratio, '--norm-pix', '--keep', 1, '--save-every', '5min', '--no-tensorboard',
                         *more)

    def search(self, architecture, rate):
        """The validation loss of a short run; None if it diverged."""
        run = self.store.work / 'runs/search' / architecture / f'lr-{rate_text(rate)}'
        log = f'search/{architecture}-{rate_text(rate)}'
        try:
            self.train(log, run, self.shapes[architecture], rate, self.plan['steps']['search'], SEARCH_SEED,
                       '--measure-every', 0)
            loss = self.evaluate(log, newest_model(run).parent)
        except CommandFailed as failure:
            if 'not finite' not in str(failure):
                raise
            loss = None
        shutil.rmtree(run / 'checkpoints', ignore_errors=True)
        return {'loss': loss}

    def evaluate(self, log, checkpoint):
        text = self.program.run(f'{log}-evaluate', 'evaluate', '--checkpoint', checkpoint, '--data',
                                self.data.validation)
        loss = float(re.search(r'validation loss (\S+)', text).group(1))
        return loss if math.isfinite(loss) else None

    def steps_of(self, model):
        return self.plan['steps']['time' if model == 'vit-time' else 'table']

    def pretrain(self, seed, model, rate):
        run, steps = self.run_of(seed, model), self.steps_of(model)
        passes = steps * self.options.batch_size / self.plan['counts']['train']
        every, _ = budget.evaluations(passes)
        self.train(f'seed-{seed}/{model}-pretrain', run, self.shapes[model], rate, steps, seed, '--validation',
                   self.data.validation, '--evaluate-every', every, '--measure-images', LAYER_IMAGES)
        return self.trained(run, rate, steps)

    def trained(self, run, rate, steps):
        """The numbers of a finished run, from its log."""
        lines = log_lines(run)
        curve = {line['step']: line['validation_loss'] for line in lines if 'validation_loss' in line}
        speeds = {line['step']: line['images_per_second'] for line in lines if 'images_per_second' in line}
        if steps not in curve:
            raise Refused(f'{run} ended without a validation loss of its last step; remove it, and it is trained again')
        # The log need not have every step; an average step took as long as those that it has.
        seconds = statistics.fmean(self.options.batch_size / speed for speed in speeds.values()) * steps
        return {
            'loss': curve[steps],
            'curve': sorted(curve.items()),
            'rate': rate,
            'steps': steps,
            'seconds': seconds,
            'parameters': parameter_count(newest_model(run))
        }

    def initial_run(self, seed, model):
        """A run that holds the initial weights of `seed`: one step at a rate of 0."""
        run = self.store.work / 'runs' / f'seed-{seed}' / f'{model}-initial'
        if list((run / 'checkpoints').glob('step-*')):
            return run
        self.program.run(f'seed-{seed}/{model}-initial', 'pretrain', '--resume', '--run', run, '--data',
                         self.data.train, *self.shapes[model].options(), *self.batch, '--steps', 1, '--lr', 0, '--seed',
                         seed, '--norm-pix', '--mask-ratio', self.options.mask_ratio, '--no-tensorboard',
                         '--measure-every', 0)
        return run

    def measures(self, seed, model, run, is_trained=True):
        """Layers, emergence and, of a trained model, the error in pixels."""
        log, scratch = f'seed-{seed}/{run.name}', self.store.work / 'scratch'
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        checkpoint = newest_model(run).parent
        self.program.run(f'{log}-analyze', 'analyze', '--checkpoint', checkpoint, '--data', self.data.validation,
                         '--images', LAYER_IMAGES, '--json', scratch / 'layers.json')
        value = {'layers': json.loads((scratch / 'layers.json').read_text())[0]['encoder']}
        if self.shapes[model].architecture != 'tost':  # it has no attention between tokens
            text = self.program.run(f'{log}-emergence', 'emergence', '--checkpoint', checkpoint, '--images',
                                    self.data.drawings, '--masks', self.data.masks, '--count', self.options.drawings,
                                    '--json')
            value['emergence'] = json.loads(text.strip().splitlines()[-1])['result']
        if is_trained:
            text = self.program.run(f'{log}-reconstruct', 'reconstruct', '--checkpoint', checkpoint, '--data',
                                    self.data.validation, '--samples', PICTURES, '--output', scratch / 'pictures')
            value['error'] = float(re.search(r'mean of \d+: .*mean squared error (\S+)', text).group(1))
        shutil.rmtree(scratch)
        return value

    def probe(self, seed, run):
        text = self.program.run(f'seed-{seed}/{run.name}-probe', 'probe', '--checkpoint',
                                newest_model(run).parent, '--train', self.data.train, '--validation',
                                self.data.validation, '--layers', 'all', '--json', '--pooling', *self.options.pooling)
        return [json.loads(line) for line in text.splitlines() if line.startswith('{')]

    def finetune(self, seed, model, percent):
        run = self.store.work / 'runs' / f'seed-{seed}' / f'{model}-finetune-{percent}'
        self.program.run(f'seed-{seed}/{run.name}', 'finetune', '--resume', '--run', run, '--from',
                         newest_model(self.run_of(seed, model)).parent, '--data', self.data.subsets[percent],
                         '--validation', self.data.validation, *self.batch,
                         '--steps', self.plan['steps']['finetune'][str(percent)], '--lr',
                         rate_text(self.options.finetune_rate), '--seed', seed, '--pooling', 'mean', '--evaluate-every',
                         1_000_000, '--measure-every', 0, '--keep', 1, '--save-every', '5min', '--no-tensorboard')
        last = [line for line in log_lines(run) if 'validation_top1' in line][-1]
        shutil.rmtree(run / 'checkpoints', ignore_errors=True)
        return {'top1': last['validation_top1'], 'loss': last['validation_loss'], 'steps': last['step']}

    def tokens(self, seed, model, shape, rate):
        """A run with more tokens, for ToST and CRATE."""
        run, steps = self.store.work / 'runs' / f'seed-{seed}' / f'{model}-tokens', self.plan['steps']['tokens']
        self.train(f'seed-{seed}/{run.name}', run, shape, rate, steps, seed, '--validation', self.data.validation,
                   '--evaluate-every', 1_000_000, '--measure-every', 0)
        value = self.trained(run, rate, steps)
        shutil.rmtree(run / 'checkpoints', ignore_errors=True)
        return value

    def attention(self):
        """Draws the attention of one validation image by CRATE and, below it, by ViT."""
        scratch = self.store.work / 'scratch'
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        self.program.run('attention/image', 'inspect', self.data.validation, '--sheet', scratch / 'image.png',
                         '--samples', 1)
        files = []
        for model in ('crate', 'vit'):
            self.program.run(f'attention/{model}', 'attention', scratch / 'image.png', '--checkpoint',
                             newest_model(self.run_of(0, model)).parent, '--output', scratch / model)
            files.append(next((scratch / model).glob('*.png')).read_bytes())
        path = self.store.work.parent / f'{self.store.work.name}-attention.png'
        write_atomically(path, pictures.stacked(files))
        shutil.rmtree(scratch)
        return {'file': path.name}


def initial_model(model):
    """The model whose initial weights are also those of `model`."""
    return SAME_SHAPE.get(model, model)
