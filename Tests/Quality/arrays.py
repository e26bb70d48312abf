"""Unpacks shards of `crate shard --encoding patches` for the PyTorch scripts: images (n, S, S, 3), uint8, and labels (n).

    /usr/bin/python3 Tests/Quality/arrays.py SHARDS FILE.npz

The PyTorch scripts do not read shards themselves, because their Python may lack h5py.
"""
import json
import os
import sys
from pathlib import Path

import h5py
import numpy as np


def main():
    shards, target = Path(sys.argv[1]), sys.argv[2]
    index = json.loads((shards / 'index.json').read_text())
    side, patch = index['imageSize'], index['patchSize']
    images, labels = [], []
    for shard in index['shards']:
        with h5py.File(shards / shard['file'], 'r') as file:
            grid = file['patches'][:].reshape(-1, side // patch, side // patch, patch, patch, 3)
            images.append(grid.swapaxes(2, 3).reshape(-1, side, side, 3))
            labels.append(file['labels'][:])
    with open(f'{target}.partial', 'wb') as file:
        np.savez(file, images=np.concatenate(images), labels=np.concatenate(labels), classes=np.array(index['classes']))
    os.replace(f'{target}.partial', target)


if __name__ == '__main__':
    main()
