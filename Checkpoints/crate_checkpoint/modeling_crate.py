"""Models of crate for transformers. This file comes with every `crate export --format huggingface`.

N images, L patches, T = L + 1 tokens, D channels, H heads, V values per patch, K classes.
"""
from dataclasses import dataclass
from typing import Optional, Tuple

import torch
import torch.nn.functional as F
from torch import nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling, ImageClassifierOutput
from transformers.utils import ModelOutput

# transformers 4 copies only the files that are named here, so those that others need are named too.
from .blocks import VitBlock, WhiteBoxBlock  # noqa: F401
from .building import build
from .classifiers import Classifier  # noqa: F401
from .configuration_crate import CrateConfig
from .description import Description
from .layers import PatchEmbed  # noqa: F401
from .models import pooled


def description_of(config, part):
    """The description of the part `part` of a model."""
    return Description(
        part, config.block, config.image_size, config.patch_size, config.hidden_size, config.num_hidden_layers,
        config.num_attention_heads, config.sparsity, config.decoder_depth, config.decoder_hidden_size,
        config.decoder_attention_heads, config.num_labels, config.pooling, config.norm_pix_loss, config.mask_ratio,
        trained_grid=config.trained_grid, channels=config.num_channels).checked('the configuration')


class CratePreTrainedModel(PreTrainedModel):
    config_class = CrateConfig
    base_model_prefix = 'crate'
    main_input_name = 'pixel_values'
    supports_gradient_checkpointing = False
    _no_split_modules = ['WhiteBoxBlock', 'VitBlock']

    def _init_weights(self, module):
        """A new head under a pretrained encoder; all else has its initial values already."""
        if isinstance(module, nn.Linear) and module is getattr(self, 'classifier', None):
            nn.init.normal_(module.weight, std=0.02)
            nn.init.zeros_(module.bias)


class CrateModel(CratePreTrainedModel):
    """Images (N, 3, S, S) to tokens after the final norm (N, T, D), class token first, and their mean over the patches (N, D)."""

    _keys_to_ignore_on_load_unexpected = [r'decoder_', r'mask_token', r'^classifier\.']

    def __init__(self, config, part=None):
        super().__init__(config)
        self.net = build(description_of(config, part or ('encoder' if config.part == 'autoencoder' else config.part)))
        self.post_init()

    def forward(self, pixel_values, output_attentions=None, output_hidden_states=None, return_dict=None, **_):
        config, z = self.config, self.net.embed(pixel_values)
        if output_attentions is None:
            output_attentions = config.output_attentions
        if output_hidden_states is None:
            output_hidden_states = config.output_hidden_states
        states, attentions = [z], []
        for layers in self.net.encoder_blocks:
            if output_attentions:
                attentions.append(self.net.block_attention(layers, z))
            z = self.net.run_block(layers, z)
            states.append(z)
        tokens = self.net.final_norm(z)
        output = BaseModelOutputWithPooling(
            last_hidden_state=tokens, pooler_output=pooled(tokens, config.pooling),
            hidden_states=tuple(states) if output_hidden_states else None,
            attentions=tuple(attentions) if output_attentions else None)
        return output if return_dict is None or return_dict else output.to_tuple()


@dataclass
class CrateForPreTrainingOutput(ModelOutput):
    """`logits` are predicted patches (N, L, V); `mask` (N, L) is 1 for hidden patches; `loss` is the mean squared error over these."""

    loss: Optional[torch.FloatTensor] = None
    logits: Optional[torch.FloatTensor] = None
    mask: Optional[torch.FloatTensor] = None
    hidden_states: Optional[Tuple[torch.FloatTensor]] = None
    attentions: Optional[Tuple[torch.FloatTensor]] = None


class CrateForPreTraining(CratePreTrainedModel):
    """The masked autoencoder."""

    def __init__(self, config):
        super().__init__(config)
        if config.part != 'autoencoder':
            raise ValueError(f'the weights hold no decoder, but a model of kind {config.part}; use AutoModel')
        self.crate = CrateModel(config, 'autoencoder')
        self.post_init()

    def forward(self, pixel_values, bool_masked_pos=None, noise=None, **_):
        """Hides the patches of `bool_masked_pos` (N, L), or a random `config.mask_ratio` of them: those with the highest `noise` (N, L)."""
        net, count = self.crate.net, (self.config.image_size // self.config.patch_size) ** 2
        if bool_masked_pos is None:
            noise = torch.rand(len(pixel_values), count, device=pixel_values.device) if noise is None else noise
            visible = int(count * (1 - self.config.mask_ratio))
            bool_masked_pos = noise.argsort(1).argsort(1) >= visible
        mask = bool_masked_pos.flatten(1).to(pixel_values.dtype)
        predicted = net(pixel_values, mask)
        errors = (predicted - net.targets(pixel_values)).square().mean(2)
        return CrateForPreTrainingOutput(loss=(errors * mask).sum() / mask.sum(), logits=predicted, mask=mask)


class CrateForImageClassification(CratePreTrainedModel):
    """Images (N, 3, S, S) to logits (N, K): a trained classifier or, on the encoder of an autoencoder, a new product over its pooled tokens.

    A trained classifier with another number of classes needs `ignore_mismatched_sizes=True`.
    """

    _keys_to_ignore_on_load_unexpected = [r'decoder_', r'mask_token']

    def __init__(self, config):
        super().__init__(config)
        self.crate = CrateModel(config)
        self.is_new = config.part in ('autoencoder', 'encoder')
        if self.is_new:
            self.classifier = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    def forward(self, pixel_values, labels=None, output_attentions=None, output_hidden_states=None, return_dict=None, **_):
        tokens = self.crate(pixel_values, output_attentions, True)
        if self.is_new:
            logits = self.classifier(tokens.pooler_output)
        else:
            logits = self.crate.net.classify(tokens.hidden_states[-1])
        loss = None if labels is None else F.cross_entropy(logits, labels)
        if not (self.config.output_hidden_states if output_hidden_states is None else output_hidden_states):
            tokens.hidden_states = None
        output = ImageClassifierOutput(
            loss=loss, logits=logits, hidden_states=tokens.hidden_states, attentions=tokens.attentions)
        return output if return_dict is None or return_dict else output.to_tuple()


# What is saved after fine-tuning comes with this code again.
CrateModel.register_for_auto_class('AutoModel')
CrateForPreTraining.register_for_auto_class('AutoModelForPreTraining')
CrateForImageClassification.register_for_auto_class('AutoModelForImageClassification')
