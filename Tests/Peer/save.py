#!/usr/bin/env python3
"""Measures how long torch.save blocks a training loop, for a model with the given number of parameters and AdamW's moments.

    .venv/bin/python Tests/Peer/save.py --parameters 44638464 --times 5
"""
import argparse
import json
import os
import statistics
import tempfile
import time

import torch


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--parameters', type=int, required=True)
    parser.add_argument('--times', type=int, default=5)
    options = parser.parse_args()
    names = ('model', 'exp_avg', 'exp_avg_sq')
    # Tensors of 2^20 values, a typical size in a model.
    state = {f'{name}.{start}': torch.rand(min(1 << 20, options.parameters - start))
             for name in names for start in range(0, options.parameters, 1 << 20)}
    seconds = []
    with tempfile.TemporaryDirectory() as directory:
        for _ in range(options.times):
            start = time.perf_counter()
            torch.save(state, f'{directory}/state.pth')
            descriptor = os.open(f'{directory}/state.pth', os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
            seconds.append(time.perf_counter() - start)
    print(json.dumps({'median': statistics.median(seconds), 'min': min(seconds), 'max': max(seconds)}))


if __name__ == '__main__':
    main()
