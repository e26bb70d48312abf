"""Weights as other programs write them: where they are in a file, an index or a directory."""
import json
from pathlib import Path
from typing import Dict, List

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from .pickles import read_pickle


def read_shards(index: Path) -> Dict[str, torch.Tensor]:
    """The tensors of all files that an index names, which lie beside it."""
    try:
        names = json.loads(index.read_text())['weight_map']
        files = sorted({str(file) for file in names.values()})
    except (KeyError, AttributeError, TypeError, ValueError):
        raise ValueError('its index names no files') from None
    merged: Dict[str, torch.Tensor] = {}
    for file in files:
        if Path(file).name != file:
            raise ValueError(f'its index names a file outside of its directory: {file}')
        merged.update(state_dict(read(index.parent / file)))
    missing = [name for name in names if name not in merged]
    if missing:
        raise ValueError(f'its files lack {len(missing)} tensors of the index, the first is {missing[0]}')
    return merged


def read(path: Path):
    """The contents of a .pth, .pt, .bin or .safetensors file, of an index of several, or of a directory with either."""
    if path.is_dir():
        names = ('model.safetensors.index.json', 'model.safetensors', 'pytorch_model.bin.index.json', 'pytorch_model.bin')
        path = next((path / name for name in names if (path / name).exists()), None)
        if path is None:
            raise ValueError(f'the directory has none of {", ".join(names)}')
    if path.name.endswith('.index.json'):
        return read_shards(path)
    with open(path, 'rb') as file:
        start = file.read(9)
    if start[8:9] == b'{':
        try:
            return load_file(str(path))
        except SafetensorError as error:
            raise ValueError(f'it is a damaged safetensors file ({error})') from None
    return read_pickle(path)


def candidates(value, name='') -> List[str]:
    """Names of the dictionaries of tensors in `value`, for messages."""
    if not isinstance(value, dict):
        return []
    inside = [found for key, x in value.items() if isinstance(key, str) for found in candidates(x, key)]
    return inside + ([name] if name and any(isinstance(x, torch.Tensor) for x in value.values()) else [])


def state_dict(value, key=None) -> Dict[str, torch.Tensor]:
    """The dictionary of tensors in `value`: itself, or under one of the usual names, or under `key`. Raises ValueError."""
    for _ in range(4):
        if not isinstance(value, dict):
            break
        if key is not None:
            if not isinstance(value.get(key), dict):
                raise ValueError(f'it has no {key}; it has {", ".join(candidates(value)) or "no tensors"}')
            value, key = value[key], None
            continue
        nested = next((name for name in ('model', 'state_dict', 'model_state_dict', 'model_state', 'module', 'net')
                       if isinstance(value.get(name), dict)), None)
        if nested is None:
            break
        value = value[nested]
    tensors = value if isinstance(value, dict) else {}
    tensors = {str(name): x for name, x in tensors.items() if isinstance(x, torch.Tensor)}
    if not tensors:
        raise ValueError('it does not contain a state dict of tensors')
    return tensors
