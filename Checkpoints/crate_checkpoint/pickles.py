"""Reads files of torch.save, in the format of zip archives and in the one before, without executing anything from them.

torch.load does that with `weights_only`, but not in all versions, and it refuses a file with options or an optimiser beside the weights.
"""
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Callable, NamedTuple

import numpy as np
import torch

STORAGES = {'DoubleStorage': torch.float64, 'FloatStorage': torch.float32, 'HalfStorage': torch.float16,
            'BFloat16Storage': torch.bfloat16, 'LongStorage': torch.int64, 'IntStorage': torch.int32,
            'ShortStorage': torch.int16, 'CharStorage': torch.int8, 'ByteStorage': torch.uint8,
            'BoolStorage': torch.bool, 'UntypedStorage': torch.uint8}
LEGACY_MAGIC = 0x1950a86a20f9469cfc6c


class Opaque:
    """Stands for anything but weights, such as options and the state of an optimiser: it keeps nothing and runs nothing."""

    def __new__(cls, *_, **__):
        return object.__new__(cls)

    def __init__(self, *_, **__):
        pass

    def ignore(self, *_, **__):
        return None

    __setstate__ = __setitem__ = append = extend = add = ignore


class Stored(NamedTuple):
    """A part of the file with `count` numbers."""

    dtype: torch.dtype
    key: str
    count: int


class Strided(NamedTuple):
    """A tensor that has not been read yet."""

    stored: Stored
    offset: int
    size: tuple
    stride: tuple

    def read(self, flat: torch.Tensor) -> torch.Tensor:
        whole = (self.offset, *self.size, *self.stride)
        if len(self.size) != len(self.stride) or not all(isinstance(n, int) and 0 <= n < 1 << 40 for n in whole):
            raise ValueError('a tensor has no valid shape')
        count = 1
        for extent in self.size:
            count *= extent
        last = self.offset + sum((extent - 1) * step for extent, step in zip(self.size, self.stride))
        if count > len(flat) or (count and last >= len(flat)):
            raise ValueError('a tensor is larger than what is stored of it')
        return flat.as_strided(self.size, self.stride, self.offset)


def rebuild_tensor(stored, offset, size, stride, *_):
    return Strided(stored, offset, tuple(size), tuple(stride)) if isinstance(stored, Stored) else Opaque()


def rebuild_parameter(data, *_):
    return data


ALLOWED = {('collections', 'OrderedDict'): OrderedDict, ('torch', 'Size'): tuple,
           ('torch._utils', '_rebuild_tensor'): rebuild_tensor, ('torch._utils', '_rebuild_tensor_v2'): rebuild_tensor,
           ('torch._utils', '_rebuild_parameter'): rebuild_parameter}


class InertUnpickler(pickle.Unpickler):
    """Makes plain containers, a `Strided` for each tensor, and an `Opaque` in the place of everything else."""

    def find_class(self, module, name):
        if module in ('torch', 'torch.storage') and name in STORAGES:
            return STORAGES[name]
        return ALLOWED.get((module, name), Opaque)

    def persistent_load(self, place):
        kind, dtype, key, _, count = place[:5]
        if kind != 'storage' or not isinstance(dtype, torch.dtype) or not isinstance(count, int):
            raise ValueError('it stores something other than tensors')
        if len(place) > 5 and place[5] is not None:
            raise ValueError('its tensors share parts of memory; save it again with a newer PyTorch')
        return Stored(dtype, str(key), count)


def resolved(value, read: Callable[[Strided], torch.Tensor], depth: int = 0):
    """Dictionaries with the tensors in them; what else they hold is left out."""
    if isinstance(value, Strided):
        return read(value)
    if isinstance(value, dict) and depth < 8:
        return {key: resolved(x, read, depth + 1) for key, x in value.items() if isinstance(x, (dict, Strided))}
    return None


def flat(content: bytes, stored: Stored) -> torch.Tensor:
    size = torch.empty((), dtype=stored.dtype).element_size()
    if stored.count < 0 or stored.count * size > len(content):
        raise ValueError('it is cut off')
    if stored.count == 0:
        return torch.empty(0, dtype=stored.dtype)
    return torch.from_numpy(np.frombuffer(content, np.uint8, stored.count * size).copy()).view(stored.dtype)


def read_archive(path: Path):
    with zipfile.ZipFile(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        if any(name.endswith('constants.pkl') for name in entries):
            raise ValueError('it is a TorchScript archive; save its state_dict() with torch.save')
        index = next((name for name in entries if name.endswith('/data.pkl')), None)
        if index is None:
            raise ValueError('it is an archive, but not one of torch.save')
        root = index[:-len('data.pkl')]
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
            raise ValueError('its archive is compressed; save it with torch.save')
        if f'{root}byteorder' in entries and archive.read(f'{root}byteorder') != b'little':
            raise ValueError('it was written on a machine of another byte order')
        contents = {}

        def read(tensor):
            key = tensor.stored.key
            if f'{root}data/{key}' not in entries:
                raise ValueError(f'it lacks data/{key}')
            if tensor.stored not in contents:
                contents[tensor.stored] = flat(archive.read(f'{root}data/{key}'), tensor.stored)
            return tensor.read(contents[tensor.stored])
        with archive.open(index) as file:
            return resolved(InertUnpickler(file, encoding='utf-8').load(), read)


def read_legacy(path: Path):
    """The format without an archive: three headers, the object, the keys of what is stored, then each part with its length."""
    with open(path, 'rb') as file:
        if InertUnpickler(file).load() != LEGACY_MAGIC:
            raise ValueError('it is not a file of torch.save')
        InertUnpickler(file).load(), InertUnpickler(file).load()  # version and machine
        unpickler = InertUnpickler(file, encoding='utf-8')
        value, parts, sizes = unpickler.load(), {}, {}
        resolved(value, lambda tensor: sizes.setdefault(tensor.stored.key, tensor.stored))
        keys = InertUnpickler(file).load()
        for key in keys if isinstance(keys, list) else []:
            if key not in sizes:  # of an optimiser, for example, whose type is not known: nothing after it can be found
                raise ValueError('weights and other tensors are mixed in an old format; save the state dict alone')
            count = int.from_bytes(file.read(8), 'little')
            size = count * torch.empty((), dtype=sizes[key].dtype).element_size()
            if size > path.stat().st_size:
                raise ValueError('it is cut off')
            parts[key] = flat(file.read(size), sizes[key])
        return resolved(value, lambda tensor: tensor.read(parts[tensor.stored.key]))


def read_pickle(path: Path):
    """The dictionaries with tensors that torch.save wrote to `path`. Raises ValueError for anything else."""
    try:
        return read_archive(path) if zipfile.is_zipfile(path) else read_legacy(path)
    except (OSError, ValueError):
        raise
    except Exception as error:  # a corrupt or malicious file raises anything
        raise ValueError(f'it is not a file of torch.save, or it is damaged ({type(error).__name__})') from None
