"""Models as ONNX, for any number of images. Needs onnx and, with PyTorch 2.5 or newer, onnxscript."""
import inspect
import json
from pathlib import Path
from typing import Tuple

import torch
from torch import nn

from .conversion import crate_metadata

OPSET = 17  # of PyTorch's older exporter the newest; the other writes 18


class Tokens(nn.Module):
    """An encoder's output: tokens, and the mean over the patches."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images) -> Tuple[torch.Tensor, torch.Tensor]:
        z = self.model.tokens(images)
        return z, z[:, 1:].mean(1)


def as_program(model, part: str):
    """A module, example inputs, and names of inputs and outputs."""
    description = model.description
    images = torch.randn(2, description.channels, description.image_size, description.image_size)
    if part == 'encoder':
        return Tokens(model), (images,), ['images'], ['tokens', 'features']
    if part == 'classifier':
        return model, (images,), ['images'], ['logits']
    count = description.grid ** 2
    mask = (torch.arange(count) >= count - int(count * description.mask_ratio)).float().repeat(2, 1)
    return model, (images, mask), ['images', 'mask'], ['patches']


def default_part(model) -> str:
    """What the model is for: `encoder`, `classifier` or `autoencoder`."""
    return 'classifier' if model.description.part == 'supervised' else model.description.part


def export_onnx(model, path, part=None) -> None:
    """Writes a model of `load` as ONNX with any number of images N.

    `encoder`: images (N, 3, S, S) to tokens (N, T, D) and features (N, D); `classifier`: to logits (N, K); `autoencoder`: images and mask
    (N, L) to patches (N, L, V). In float32. Raises ValueError if the model has no such part.
    """
    part = part or default_part(model)
    if part != 'encoder' and part != default_part(model):
        raise ValueError(f'the file holds no {part}, but a model of kind {model.description.part}')
    program, inputs, names, outputs = as_program(model.eval(), part)
    temporary = f'{path}.partial.onnx'
    options = dict(input_names=names, output_names=outputs)
    try:
        with torch.no_grad():
            if 'dynamo' in inspect.signature(torch.onnx.export).parameters and hasattr(torch.export, 'Dim'):
                batch = torch.export.Dim('batch')
                torch.onnx.export(program, inputs, temporary, dynamo=True, external_data=False, verbose=False,
                                  opset_version=18, dynamic_shapes=tuple({0: batch} for _ in names), **options)
            else:
                axes = {name: {0: 'batch'} for name in names + outputs}
                torch.onnx.export(program, inputs, temporary, opset_version=OPSET, dynamic_axes=axes, **options)
        add_metadata(temporary, model.description)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def add_metadata(path, description) -> None:
    """Adds the metadata of the export to an ONNX file, among them how pixels are normalised, and checks the file."""
    import onnx
    written = onnx.load(path)
    texts = {**crate_metadata(description), 'mean': json.dumps(description.mean), 'std': json.dumps(description.std)}
    onnx.helper.set_model_props(written, texts)
    onnx.checker.check_model(written)
    onnx.save(written, path)


def quantise_onnx(source, target) -> None:
    """Writes an ONNX file with the weights of its matrix products in int8, one scale a column. Needs onnxruntime.

    Inputs of the products are quantised while it runs (dynamic quantisation), so results differ by about a percent.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic
    quantize_dynamic(str(source), str(target), weight_type=QuantType.QInt8, per_channel=True, op_types_to_quantize=['MatMul', 'Gemm'])
