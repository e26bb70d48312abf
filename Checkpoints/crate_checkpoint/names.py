"""From the names of other programs' weights to the published ones, and from shapes to a description."""
import re
from typing import Dict, List, Optional, Tuple

import torch

from .description import Description

# A tensor that every model of a kind has; what stands before it is the place of the model in another one.
SIGNATURES = ('patch_embed.proj.weight', 'to_patch_embedding.2.weight', 'conv1.weight',
              'embeddings.patch_embeddings.projection.weight')

# transformers' ViT and ViTMAE, behind `vit.`, to MAE's names. `{0}` is the number of the block.
TRANSFORMERS = [
    (r'embeddings\.cls_token', 'cls_token'), (r'embeddings\.position_embeddings', 'pos_embed'),
    (r'embeddings\.patch_embeddings\.projection\.(\w+)', 'patch_embed.proj.{0}'),
    (r'encoder\.layer\.(\d+)\.(.*)', 'blocks.{0}.{1}'), (r'layers\.(\d+)\.(.*)', 'blocks.{0}.{1}'),
    (r'layernorm\.(\w+)', 'norm.{0}'),
    (r'decoder\.decoder_(?:layers|encoder\.layer)\.(\d+)\.(.*)', 'decoder_blocks.{0}.{1}'), (r'decoder\.mask_token', 'mask_token'),
    (r'decoder\.(decoder_\w+.*)', '{0}'), (r'classifier\.(\w+)', 'head.{0}'),
]
IN_BLOCKS = {'layernorm_before': 'norm1', 'layernorm_after': 'norm2', 'attention.output.dense': 'attn.proj',
             'attention.o_proj': 'attn.proj', 'intermediate.dense': 'mlp.fc1', 'output.dense': 'mlp.fc2'}
QUERIES = re.compile(r'(.*?)\.attention\.(?:attention\.)?(query|key|value|q_proj|k_proj|v_proj)\.(weight|bias)')

# Heads of the published models, by architecture, width and depth.
HEADS = {('crate', 384, 12): 6, ('crate', 576, 12): 12, ('crate', 768, 12): 12, ('crate', 1024, 24): 16,
         ('crate-alpha', 192, 12): 3, ('crate-alpha', 576, 12): 12, ('crate-alpha', 768, 12): 12,
         ('crate-alpha', 1024, 24): 16, ('crate-alpha', 1280, 32): 16,
         ('vit', 192, 12): 3, ('vit', 384, 12): 6, ('vit', 768, 12): 12, ('vit', 1024, 24): 16, ('vit', 1280, 32): 16}


def without_prefix(state: Dict[str, torch.Tensor]) -> Tuple[Dict[str, torch.Tensor], List[str]]:
    """The tensors of the one model in `state`, without what stands before their names, and the names that are left out."""
    places = sorted({name[:-len(signature)] for name in state for signature in SIGNATURES
                     if name == signature or name.endswith('.' + signature)})
    if not places:
        raise ValueError('it holds no model that is known: none of ' + ', '.join(SIGNATURES))
    if len(places) > 1:
        raise ValueError(f'it holds several models, {", ".join(places)}; choose one with --prefix')
    return chosen(state, places[0])


def chosen(state, prefix):
    """The tensors behind `prefix`. Those of a decoder beside an encoder of transformers, and of a head, are kept as they are."""
    beside = ('decoder.', 'classifier.') if prefix.endswith('vit.') else ()
    outer = prefix[:-len('vit.')] if beside else prefix
    kept, left = {}, []
    for name, x in state.items():
        if name.startswith(prefix):
            kept[name[len(prefix):]] = x
        elif beside and name.startswith(tuple(outer + word for word in beside)):
            kept[name[len(outer):]] = x
        else:
            left.append(name)
    if not kept:
        raise ValueError(f'no name begins with {prefix}')
    return kept, left


def renamed(state: Dict[str, torch.Tensor]) -> Dict[str, torch.Tensor]:
    """transformers' names as MAE's, with queries, keys and values in one tensor; others as they are."""
    if 'embeddings.cls_token' not in state:
        return state
    result, parts = {}, {}
    for name, x in state.items():
        for pattern, target in TRANSFORMERS:
            match = re.fullmatch(pattern, name)
            if match:
                name = target.format(*match.groups())
                break
        match = QUERIES.fullmatch(name)
        if match:
            parts.setdefault((match[1], match[3]), {})[match[2][0]] = x
            continue
        for old, new in IN_BLOCKS.items():
            name = re.sub(rf'(blocks\.\d+)\.{re.escape(old)}\b', rf'\1.{new}', name)
        result[name] = x
    for (block, kind), three in parts.items():
        if set(three) != set('qkv'):
            raise ValueError(f'{block} lacks its queries, keys or values')
        result[f'{block}.attn.qkv.{kind}'] = torch.cat([three[part] for part in 'qkv'])
    return result


def count(state, prefix: str) -> int:
    return len({name[len(prefix):].split('.')[0] for name in state if name.startswith(prefix)})


def architecture_of(state) -> str:
    if any('.attn.qkv.' in name for name in state):
        return 'vit'
    if any(name.endswith('.fn.temp') for name in state):
        return 'tost'
    return 'crate-alpha' if any(name.endswith('.fn.D1') for name in state) else 'crate'


def part_of(state) -> str:
    if 'pos_embedding' in state:
        return 'supervised'
    if any(name.startswith('decoder_blocks.') for name in state):
        return 'autoencoder'
    if 'head.weight' in state:
        return 'supervised' if architecture_of(state) == 'vit' else 'classifier'
    return 'encoder'


def patch_size(state) -> int:
    for name in SIGNATURES[::2]:
        if name in state:
            return state[name].shape[-1]
    return round((state['to_patch_embedding.2.weight'].shape[1] / 3) ** 0.5)


def describe_state(state, heads: Optional[int], sparsity: Optional[float], decoder_heads: Optional[int],
                   normalises: bool) -> Tuple[Optional[Description], List[str]]:
    """The description that follows from names and shapes, or None where heads or lambda do not, and remarks for people."""
    architecture, part, patch, remarks = architecture_of(state), part_of(state), patch_size(state), []
    if part == 'supervised' and architecture != 'vit':
        table, blocks, head = state['pos_embedding'], 'transformer.layers.', 'mlp_head.1.weight'
    else:
        table, blocks, head = state['decoder_pos_embed' if 'pos_embed' not in state else 'pos_embed'], 'blocks.', 'head.weight'
    dim, depth, grid = table.shape[2], count(state, blocks), round((table.shape[1] - 1) ** 0.5)
    if heads is None:
        temp = next((x for name, x in state.items() if name.endswith('.fn.temp')), None)
        heads = len(temp) if temp is not None else HEADS.get((architecture, dim, depth))
        if temp is None and heads and architecture == 'crate' and patch == 8 and dim == 768:
            heads = None  # there are published models with 6 and with 12
        if heads:
            remarks.append(f'{heads} heads, as the published {architecture} of width {dim} and depth {depth} has')
    if sparsity is None and (architecture == 'vit' or part == 'supervised' or architecture == 'crate-alpha'):
        sparsity = 0.0 if architecture == 'vit' else 0.1
        if sparsity:
            remarks.append('lambda 0.1, as all published weights of this kind have')
    if heads is None or sparsity is None:
        remarks.append('give ' + ' and '.join(
            ([] if heads else ['--heads']) + ([] if sparsity is not None else [
                '--lambda (of CRATE-MAE 0.5, the default of the authors\' code, or 0.1, as in their notebooks)'])))
        return None, remarks
    more = {}
    if part == 'autoencoder':
        more = dict(decoder_depth=count(state, 'decoder_blocks.'), normalises_targets=normalises)
        width = state['decoder_pred.weight'].shape[1]
        if architecture == 'vit':
            more.update(decoder_dim=width, decoder_heads=decoder_heads or 16)
    if part in ('classifier', 'supervised'):
        more = dict(classes=len(state[head]), pooling='mean' if 'fc_norm.weight' in state else 'class')
    description = Description(part, architecture, grid * patch, patch, dim, depth, heads, sparsity, **more)
    return description.checked('the file'), remarks
