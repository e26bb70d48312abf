"""Registers the models of crate with timm: import this module, then `timm.create_model('crate_mae_base_patch16', ...)`.

`crate_mae_SIZE_patch16`, `crate_alpha_mae_...`, `tost_mae_...` and `crate_vit_mae_...` are encoders of masked autoencoders under a head, of
which `checkpoint_path` takes exports of `crate pretrain` and `finetune`; `crate_SIZE_patch16`, `crate_alpha_...` and `tost_...` are the
supervised models. Options beside timm's: `sparsity` (lambda, which has to be that of the weights: `crate-checkpoint info` shows it).

N images, T tokens, D channels, K classes.
"""
import torch
from timm.layers import DropPath
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models._features import FeatureGetterNet, feature_take_indices
from torch import nn

from .blocks import VitBlock
from .classifiers import Classifier, CrateAlpha, NormalisedClassifier
from .description import published
from .models import pooled
from .sizes import SIZES, sized

POOLINGS = {'avg': 'mean', 'token': 'class', 'mean': 'mean', 'class': 'class'}


def drop_branches(block, rate, has_two):
    """Leaves the layers of a block that have a skip connection out for an image with probability `rate` (stochastic depth)."""
    layers = [block.attn, block.mlp] if isinstance(block, VitBlock) else list(block if isinstance(block, nn.ModuleList) else block.layers[0])
    for layer in layers if has_two else layers[:1]:
        layer.drop_path = DropPath(rate)
        layer.register_forward_hook(lambda layer, _, output: layer.drop_path(output))


class Features(FeatureGetterNet):
    """The maps of `features_only`, which take the tensors of the whole model."""

    def load_state_dict(self, state_dict, strict=True, **more):
        if any(name.startswith('model.') for name in state_dict):
            return super().load_state_dict(state_dict, strict=strict, **more)
        return self.model.load_state_dict(state_dict, strict=strict, **more)


class TimmMethods:
    """What timm expects of a model, for both forms of classifiers. The head is `self.get_classifier()`."""

    is_pruned = False  # whether the last blocks are left out

    def prepare(self, num_classes, drop_rate, drop_path_rate, in_chans):
        if in_chans != 3:
            raise ValueError('these models take images of three channels')
        self.num_classes, self.num_features = num_classes, self.dim
        self.head_hidden_size = self.embed_dim = self.dim
        self.head_drop, depth = nn.Dropout(drop_rate), len(self.encoder_blocks)
        self.feature_info = [
            {'module': f'{self.blocks_name}.{i}', 'num_chs': self.dim, 'reduction': self.patch} for i in range(depth)]
        for index, block in enumerate(self.encoder_blocks):
            if drop_path_rate:
                rate = drop_path_rate * index / max(1, depth - 1)
                drop_branches(block, rate, self.architecture in ('vit', 'crate-alpha'))
        if num_classes == 0:
            self.reset_classifier(0)

    @torch.jit.ignore
    def no_weight_decay(self):
        return {'pos_embed', 'pos_embedding', 'cls_token'}

    @torch.jit.ignore
    def group_matcher(self, coarse=False):
        name = self.blocks_name.replace('.', r'\.')
        return {'stem': r'^cls_token|pos_embed|pos_embedding|patch_embed|to_patch_embedding|conv1',
                'blocks': [(rf'^{name}\.(\d+)', None), (r'^norm|fc_norm|mlp_head\.0', (99999,))]}

    @torch.jit.ignore
    def set_grad_checkpointing(self, enable=True):
        if enable:
            raise ValueError('these models do not support gradient checkpointing')

    def reset_classifier(self, num_classes, global_pool=None):
        self.num_classes = num_classes
        if global_pool is not None and POOLINGS[global_pool] != self.pooling:
            raise ValueError(f'the pooling is chosen with create_model(..., global_pool={global_pool!r})')
        self.set_classifier(nn.Linear(self.dim, num_classes) if num_classes > 0 else nn.Identity())

    def forward_intermediates(self, x, indices=None, return_prefix_tokens=False, norm=False, stop_early=False,
                              output_fmt='NCHW', intermediates_only=False):
        """Tokens after the blocks `indices`, as maps (N, D, G, G) or rows of patches (`output_fmt` NLC)."""
        if output_fmt not in ('NCHW', 'NLC'):
            raise ValueError(f'the output format is NCHW or NLC, not {output_fmt}')
        chosen, last = feature_take_indices(len(self.encoder_blocks), indices)
        z, found = self.embed(x), []
        for index, block in enumerate(self.encoder_blocks[:last + 1] if stop_early else self.encoder_blocks):
            z = self.run_block(block, z)
            if index in chosen:
                found.append(self.final_norm(z) if norm else z)
        maps = [self.as_map(tokens[:, 1:], output_fmt) for tokens in found]
        if return_prefix_tokens:
            maps = list(zip(maps, [tokens[:, :1] for tokens in found]))
        return maps if intermediates_only else (self.finish(z), maps)

    def as_map(self, patches, output_fmt):
        return patches if output_fmt == 'NLC' else patches.transpose(1, 2).reshape(len(patches), -1, self.grid, self.grid)

    def prune_intermediate_layers(self, indices=1, prune_norm=False, prune_head=True):
        chosen, last = feature_take_indices(len(self.encoder_blocks), indices)
        self.keep_blocks(last + 1)
        self.is_pruned = True
        if prune_head:
            self.reset_classifier(0)
        return chosen

    def forward_features(self, x):
        """(N, 3, S, S) -> (N, T, D)"""
        return self.finish(self.run_blocks(self.embed(x)))

    def forward_head(self, x, pre_logits=False):
        """Tokens of `forward_features` to logits (N, K), or to what the last product takes (N, D)."""
        v = self.head_drop(self.pooled_norm(pooled(x, self.pooling)))
        return v if pre_logits else self.get_classifier()(v)

    def forward(self, x):
        return self.forward_head(self.forward_features(x))

    def load_state_dict(self, state_dict, strict=True, **more):
        """Also takes the tensors of a masked autoencoder or of another number of classes, of which the head stays as it is."""
        return super().load_state_dict(self.fitting(state_dict), strict=strict, **more)

    def fitting(self, state):
        state = {published(name): x for name, x in state.items()}
        if 'decoder_pos_embed' in state and self.architecture == 'crate':
            state['pos_embed'] = state['decoder_pos_embed']
        own = self.state_dict()
        state = {name: x for name, x in state.items() if not name.startswith('decoder_') and name != 'mask_token'}
        renamed = ('norm.', 'fc_norm.') if self.pooling == 'mean' else ('fc_norm.', 'norm.')
        state = {renamed[1] + name[len(renamed[0]):] if name.startswith(renamed[0]) else name: x for name, x in state.items()}
        heads = [name for name in own if name.startswith(self.head_name + '.')]
        for name in heads:
            if name not in state or state[name].shape != own[name].shape:
                state.update({head: own[head] for head in heads})
                break
        if self.is_pruned:
            state = {name: x for name, x in state.items() if name in own or not name.startswith(self.blocks_name)}
        if not heads:  # num_classes=0
            state = {name: x for name, x in state.items() if not name.startswith(self.head_name + '.')}
        return state


class TimmEncoder(TimmMethods, Classifier):
    """An autoencoder's encoder under a head."""

    blocks_name, head_name = 'blocks', 'head'

    def __init__(self, description, num_classes=1000, drop_rate=0.0, drop_path_rate=0.0, in_chans=3):
        super().__init__(description.architecture, description.image_size, description.patch, description.dim,
                         description.depth, description.heads, description.sparsity, max(1, num_classes), description.pooling)
        self.prepare(num_classes, drop_rate, drop_path_rate, in_chans)

    def get_classifier(self):
        return self.head

    def set_classifier(self, layer):
        self.head = layer

    def keep_blocks(self, count):
        self.blocks = self.blocks[:count]

    def finish(self, z):
        return self.norm(z)

    def pooled_norm(self, v):
        return self.fc_norm(v) if self.pooling == 'mean' else v


class TimmSupervised(TimmMethods):
    """What the supervised models share."""

    blocks_name, head_name = 'transformer.layers', 'mlp_head.1'

    def __init__(self, description, num_classes=1000, drop_rate=0.0, drop_path_rate=0.0, in_chans=3):
        super().__init__(description.architecture, description.image_size, description.patch, description.dim,
                         description.depth, description.heads, description.sparsity, max(1, num_classes), description.pooling)
        self.prepare(num_classes, drop_rate, drop_path_rate, in_chans)

    def get_classifier(self):
        return self.mlp_head[1]

    def set_classifier(self, layer):
        self.mlp_head[1] = layer

    def keep_blocks(self, count):
        self.transformer.layers = self.transformer.layers[:count]

    def finish(self, z):
        return z

    def pooled_norm(self, v):
        return self.mlp_head[0](v)


class TimmAlpha(TimmSupervised, CrateAlpha):
    """The supervised CRATE-alpha."""


class TimmNormalised(TimmSupervised, NormalisedClassifier):
    """The supervised CRATE and ToST."""


def make(variant, pretrained, architecture, size, part, **options):
    """A model as `timm.create_model` makes it."""
    pooling = POOLINGS[options.pop('global_pool', None) or ('avg' if part == 'classifier' else 'token')]
    side, patch = options.pop('img_size', None) or 224, options.pop('patch_size', 16)
    more = {'sparsity': options.pop('sparsity')} if options.get('sparsity') is not None else {}
    description = sized(architecture, size, part, pooling=pooling, image_size=side[0] if isinstance(side, (tuple, list)) else side,
                        patch=patch, classes=max(1, options.get('num_classes', 1000)), **more)
    kind = TimmEncoder if part == 'classifier' else TimmAlpha if architecture == 'crate-alpha' else TimmNormalised
    return build_model_with_cfg(kind, variant, pretrained, description=description,
                                feature_cfg=dict(out_indices=3, feature_cls=Features), **options)


def register(architecture, size, part):
    stem = {'crate': 'crate', 'crate-alpha': 'crate_alpha', 'tost': 'tost', 'vit': 'crate_vit'}[architecture]
    name = f'{stem}{"_mae" if part == "classifier" else ""}_{size}_patch16'
    embedding = 'patch_embed.proj' if part == 'classifier' else 'conv1' if architecture == 'crate-alpha' else None
    default_cfgs.update(generate_default_cfgs({name: {
        'url': '', 'num_classes': 1000, 'input_size': (3, 224, 224), 'pool_size': None, 'crop_pct': 0.875,
        'interpolation': 'bicubic', 'mean': (0.485, 0.456, 0.406), 'std': (0.229, 0.224, 0.225), 'first_conv': embedding,
        'classifier': 'head' if part == 'classifier' else 'mlp_head.1'}}))

    def create(pretrained=False, **options):
        return make(name, pretrained, architecture, size, part, **options)

    create.__name__ = create.__qualname__ = name
    create.__doc__ = f'{architecture} {size}, ' + ('encoder of an autoencoder.' if part == 'classifier' else 'supervised.')
    globals()[name] = register_model(create)


default_cfgs = {}
__all__ = []
for _architecture, _sizes in SIZES.items():
    for _size in _sizes:
        register(_architecture, _size, 'classifier')
        if _architecture != 'vit':  # timm has the supervised ViT
            register(_architecture, _size, 'supervised')
