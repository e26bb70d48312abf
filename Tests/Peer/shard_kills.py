#!/usr/bin/env python3
"""Kills `crate shard` with SIGKILL at random times, restarts it, and compares every byte with an undisturbed run.

    shard_kills.py SOURCE [--kills 20] [--ranks 1] [--seed 0] [-- OPTION OF crate shard ...]

Half of the kills hit a new directory, the others a directory left by an earlier kill. Needs .build/release/crate.
"""
import argparse
import filecmp
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CRATE = Path(__file__).resolve().parents[2] / '.build/release/crate'
ENVIRONMENT = os.environ | {'OMPI_ALLOW_RUN_AS_ROOT': '1', 'OMPI_ALLOW_RUN_AS_ROOT_CONFIRM': '1'}


def files(directory):
    return sorted(path.relative_to(directory) for path in directory.rglob('*') if path.is_file())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source')
    parser.add_argument('--kills', type=int, default=20)
    parser.add_argument('--ranks', type=int, default=1)
    parser.add_argument('--seed', type=int, default=0)
    words = sys.argv[1:]
    split = words.index('--') if '--' in words else len(words)
    options, more = parser.parse_args(words[:split]), words[split + 1:]
    draw = random.Random(options.seed)
    work = Path(tempfile.mkdtemp(prefix='shard-kills-'))
    launcher = ['mpirun', '--oversubscribe', '-n', str(options.ranks)] if options.ranks > 1 else []

    def start(out):
        return subprocess.Popen([*launcher, CRATE, 'shard', options.source, work / out, *more],
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)

    def finish(out):
        # The ranks of a killed mpirun live slightly longer and keep the directory locked.
        for _ in range(200):
            process = start(out)
            errors = process.communicate()[1]
            if 'another process is at work' not in errors:
                break
            time.sleep(0.1)
        if process.returncode:
            sys.exit(f'shard_kills.py: crate shard failed: {errors}')

    began = time.monotonic()
    finish('whole')
    duration = time.monotonic() - began
    number, killed, bad = 0, 0, 0
    while killed < options.kills:
        out = f'killed-{number}'
        for _ in range(1 + number % 2 * 2):
            process = start(out)
            moment = draw.uniform(0, duration)
            try:
                process.wait(moment)
                process.communicate()
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                killed += 1
                left = files(work / out) if (work / out).exists() else []
                print(f'kill {killed} after {moment:.2f} of {duration:.2f} s: '
                      f'{sum(path.suffix == ".h5" for path in left)} shards', flush=True)
        finish(out)
        same = files(work / 'whole') == files(work / out) and all(
            filecmp.cmp(work / 'whole' / path, work / out / path, shallow=False) for path in files(work / 'whole'))
        bad += not same
        print(f'{out}: {"same bytes" if same else "DIFFERENT BYTES"}', flush=True)
        shutil.rmtree(work / out)
        number += 1
    shutil.rmtree(work)
    print(f'{killed} kills, {number} directories, {bad} of them with different bytes')
    sys.exit(bad > 0)


if __name__ == '__main__':
    main()
