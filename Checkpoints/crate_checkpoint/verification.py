"""Checks of exports with numpy alone; with PyTorch also that exactly the model's tensors are there."""
import importlib.util
import json
import math
from typing import Iterator, List, Tuple

import numpy as np

from .description import Description, metadata, model_file, published

TYPES = {'F64': np.float64, 'F32': np.float32, 'F16': np.float16, 'BF16': np.uint16}


def tensors(file: str) -> Iterator[Tuple[str, np.ndarray]]:
    """Names and values of a safetensors file, one tensor at a time. numpy has no bfloat16, so that is widened to float32."""
    with open(file, 'rb') as handle:
        length = int.from_bytes(handle.read(8), 'little')
        header = json.loads(handle.read(length))
        header.pop('__metadata__', None)
        for name, entry in header.items():
            begin, end = entry['data_offsets']
            handle.seek(8 + length + begin)
            values = np.frombuffer(handle.read(end - begin), TYPES[entry['dtype']]).reshape(entry['shape'])
            if entry['dtype'] == 'BF16':
                values = (values.astype(np.uint32) << 16).view(np.float32)
            yield name, values


def sine_cosine(grid: int, dim: int, trained: int) -> np.ndarray:
    """The fixed position table, the class token's zeros first. (1, grid * grid + 1, dim)"""
    places = (np.arange(grid) + 0.5) * trained / grid - 0.5
    frequencies = 10_000 ** (-np.arange(dim // 4) / (dim / 4))
    column, row = np.tile(places, grid), np.repeat(places, grid)
    patches = [wave(place[:, None] * frequencies) for place in (column, row) for wave in (np.sin, np.cos)]
    return np.concatenate([np.zeros((1, dim)), np.concatenate(patches, 1)])[None]


def used_tables(description: Description) -> Tuple[str, ...]:
    """The position tables that are fixed and added to tokens."""
    if description.part == 'supervised':
        return ()
    if description.part != 'autoencoder' or description.architecture in ('crate-alpha', 'tost'):
        return ('pos_embed',)
    return ('decoder_pos_embed',) if description.architecture == 'crate' else ('pos_embed', 'decoder_pos_embed')


def value_problems(file: str, description: Description) -> List[str]:
    problems, tables = [], used_tables(description)
    for name, values in tensors(file):
        short = published(name)
        if not np.isfinite(values).all():
            problems.append(f'{short} has values that are not finite')
        elif short in tables:
            grid, trained = description.grid, description.trained_grid or description.grid
            if values.ndim != 3 or values.shape[1] != grid ** 2 + 1 or values.shape[2] % 4:
                problems.append(f'{short} is {list(values.shape)}, which is not a table of {grid} x {grid} patches')
            elif np.abs(values - sine_cosine(grid, values.shape[2], trained)).max() > 1e-2:
                problems.append(f'{short} is not the fixed sine-cosine table')
    return problems


def key_problems(file: str, description: Description) -> List[str]:
    """Missing, unexpected and misshapen tensors; nothing where PyTorch is not installed."""
    if not importlib.util.find_spec('torch'):
        return []
    from .building import build
    expected = {name: list(x.shape) for name, x in build(description).state_dict().items()}
    found = {published(name): list(x.shape) for name, x in tensors(file)}
    return ([f'{name} is missing' for name in expected if name not in found]
            + [f'{name} is not part of the model' for name in found if name not in expected]
            + [f'{name} is {found[name]} instead of {shape}' for name, shape in expected.items()
               if name in found and found[name] != shape])


def verify(path) -> List[str]:
    """What is wrong with the export at `path`, one line for each problem; empty if nothing is.

    Values are finite, fixed position tables are those of their formula and, where PyTorch is installed, names and shapes are exactly the
    model's. Raises ValueError or safetensors' error for a file that is no export at all.
    """
    file = model_file(path)
    description = Description.of(metadata(file), file)
    largest = max((math.prod(values.shape) for _, values in tensors(file)), default=0)
    if description.dim * description.dim > 16 * max(1, largest):
        return [f'no tensor is large enough for a model of width {description.dim}']
    return value_problems(file, description) + key_problems(file, description)
