"""CRATE, CRATE-alpha, ToST and ViT in PyTorch, for the files written by `crate export`.

    model = crate_checkpoint.load('tiny.safetensors')            # for example a CrateMAE; see load
    images = model.preprocess(['cat.jpg'])                       # (N, 3, S, S), as the program sees them
    model.features(images), model.attention(images)

`describe`, `metadata`, `verify` and the functions of `preprocessing` do not need PyTorch.
"""
import importlib

from .description import Description, describe, metadata
from .preprocessing import preprocess
from .verification import verify

__version__ = '0.2.0'

# Loaded when they are used, so that files can be examined without PyTorch.
_LAZY = {
    'building': ('build', 'load'),
    'blocks': ('VitBlock', 'WhiteBoxBlock'),
    'classifiers': ('Classifier', 'CrateAlpha', 'CrateClassifier', 'EncoderUnderHead', 'TostClassifier'),
    'conversion': ('convert',),
    'layers': ('SubspaceAttention', 'TokenStatistics', 'positions'),
    'models': ('CrateEncoder', 'CrateMAE', 'Encoder', 'MaskedAutoencoder', 'resize_positions'),
    'onnx_export': ('export_onnx', 'quantise_onnx'),
}
_PLACES = {name: module for module, names in _LAZY.items() for name in names}
__all__ = ['Description', 'describe', 'metadata', 'preprocess', 'verify', *_PLACES]


def __getattr__(name):
    if name in _PLACES:
        return getattr(importlib.import_module(f'.{_PLACES[name]}', __name__), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
