"""The command crate-checkpoint."""
import argparse
import json
import logging
import os
import sys
import warnings
from dataclasses import asdict
from pathlib import Path

from . import __version__
from .description import describe
from .verification import tensors, verify

EXAMPLES = """examples:
  crate-checkpoint info tiny.safetensors
  crate-checkpoint verify tiny.safetensors
  crate-checkpoint convert mae_pretrain_vit_base.pth vit.safetensors
  crate-checkpoint convert crate.pth crate.safetensors --heads 12 --lambda 0.5
  crate-checkpoint convert tiny.safetensors tiny.onnx --to onnx --part encoder --int8
"""


def info(options):
    """Prints what the file says about its model."""
    description = describe(options.file)
    if options.json:
        return print(json.dumps(asdict(description)))
    from .description import model_file
    count = sum(values.size for _, values in tensors(model_file(options.file)))
    print(f'{description.title}: {count / 1e6:.2f} million numbers')
    for name, value in asdict(description).items():
        if value not in (None, {}):
            print(f'  {name:20}{value}')


def check(options):
    """Prints what is wrong with the file; exit code 1 if anything is."""
    problems = verify(options.file)
    if problems:
        more = f' (and {len(problems) - 1} more problems)' if len(problems) > 1 and not options.all else ''
        for problem in problems if options.all else problems[:1]:
            print(f'crate-checkpoint: {options.file}: {problem}{more}; export it again', file=sys.stderr)
        sys.exit(1)
    print(f'{options.file}: {describe(options.file).title}, nothing wrong')


def write_onnx(options):
    from .building import load
    from .onnx_export import export_onnx, quantise_onnx
    whole = f'{options.target}.{os.getpid()}.whole.onnx' if options.int8 else options.target
    try:
        export_onnx(load(options.source), whole, options.part)
        if options.int8:
            quantise_onnx(whole, options.target)
    finally:
        if options.int8:
            Path(whole).unlink(missing_ok=True)


def convert(options):
    """Converts foreign weights to safetensors, or an export to ONNX."""
    if Path(options.target).resolve() == Path(options.source).resolve():
        raise ValueError('source and target are the same file')
    if options.to == 'onnx':
        write_onnx(options)
    else:
        from .conversion import convert as to_safetensors
        remarks = to_safetensors(options.source, options.target, options.key, options.prefix, options.heads,
                                 options.sparsity, options.decoder_heads, options.norm_pix)
        for remark in remarks:
            print(f'crate-checkpoint: {remark}', file=sys.stderr)
    print(f'wrote {options.target}')


def parser():
    whole = argparse.ArgumentParser(
        prog='crate-checkpoint', description='Files of weights of crate: what is in them, and conversion from and to others.',
        epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter)
    whole.add_argument('--version', action='version', version=__version__)
    commands = whole.add_subparsers(required=True, metavar='info|verify|convert')
    one = commands.add_parser('info', help='print sizes, normalisation and origin (without PyTorch)')
    one.add_argument('file')
    one.add_argument('--json', action='store_true', help='as one JSON object')
    one.set_defaults(run=info)
    one = commands.add_parser('verify', help='check values, position tables and, with PyTorch, names and shapes')
    one.add_argument('file')
    one.add_argument('--all', action='store_true', help='a line for each problem instead of the first')
    one.set_defaults(run=check)
    one = commands.add_parser('convert', help='.pth, .bin or .safetensors of others to safetensors, or an export to ONNX')
    one.add_argument('source')
    one.add_argument('target')
    one.add_argument('--to', choices=['safetensors', 'onnx'], default='safetensors', help='format (default: safetensors)')
    one.add_argument('--key', help='where the state dict is in the file, such as model_ema')
    one.add_argument('--prefix', help='what the names of the model\'s tensors begin with, such as module.encoder.')
    one.add_argument('--heads', type=int, help='attention heads, where shapes allow several models')
    one.add_argument('--lambda', type=float, dest='sparsity', help='weight of the sparsity penalty')
    one.add_argument('--decoder-heads', type=int, help='heads of a ViT-MAE\'s decoder (default: 16)')
    one.add_argument('--norm-pix', action='store_true', help='the autoencoder predicts standardised patches')
    one.add_argument('--part', choices=['encoder', 'classifier', 'autoencoder'], help='of ONNX (default: what the file holds)')
    one.add_argument('--int8', action='store_true', help='ONNX with int8 weights (dynamic quantisation)')
    one.set_defaults(run=convert)
    return whole


def main(words=None):
    options = parser().parse_args(words)
    warnings.simplefilter('ignore')
    logging.disable(logging.WARNING)
    file = getattr(options, 'file', None) or options.source
    try:
        options.run(options)
    except ModuleNotFoundError as error:
        sys.exit(f'crate-checkpoint: this needs the package {error.name}; install it with: pip install {error.name}')
    except Exception as error:  # a corrupt or malicious file gives a one-line error
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        sys.exit(f'crate-checkpoint: {file}: {reason}; see crate-checkpoint --help')


if __name__ == '__main__':
    main()
