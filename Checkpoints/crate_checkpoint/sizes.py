"""The published sizes: width, depth and heads."""
from dataclasses import replace
from typing import Dict, Tuple

from .description import Description

_USUAL = {'small': (576, 12, 12), 'base': (768, 12, 12), 'large': (1024, 24, 16)}
_CRATE = {'tiny': (384, 12, 6), **_USUAL}
_NARROW = {'tiny': (192, 12, 3), 'huge': (1280, 32, 16)}
SIZES: Dict[str, Dict[str, Tuple[int, int, int]]] = {
    'crate': _CRATE, 'tost': _CRATE, 'crate-alpha': {**_USUAL, **_NARROW},
    'vit': {**_USUAL, **_NARROW, 'small': (384, 12, 6)}}


def sized(architecture: str, size: str, part: str, **more) -> Description:
    """The description of a published size, such as ('crate', 'base', 'encoder'), with other values where they are given."""
    dim, depth, heads = SIZES[architecture][size]
    penalty = {'crate-alpha': 0.1, 'vit': 0.0}.get(architecture, 0.1 if part == 'supervised' else 0.5)
    model = Description(part, architecture, dim=dim, depth=depth, heads=heads, sparsity=penalty)
    return replace(model, **more).checked()
