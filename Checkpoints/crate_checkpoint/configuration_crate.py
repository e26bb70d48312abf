"""The configuration of a model of crate for transformers. This file comes with every `crate export --format huggingface`."""
from transformers import PretrainedConfig


class CrateConfig(PretrainedConfig):
    """Sizes of a CRATE, CRATE-alpha, ToST or ViT.

    `part` is what the weights hold: `autoencoder`, `encoder`, `classifier` (an autoencoder's encoder under a head) or `supervised` (a
    classifier in its authors' form). `sparsity` is lambda.
    """

    model_type = 'crate'

    def __init__(self, part='autoencoder', block='crate', image_size=224, patch_size=16, num_channels=3, hidden_size=384,
                 num_hidden_layers=12, num_attention_heads=6, sparsity=0.5, pooling='mean', decoder_depth=None,
                 decoder_hidden_size=None, decoder_attention_heads=None, norm_pix_loss=False, mask_ratio=0.75,
                 trained_grid=None, **more):
        self.part, self.block, self.image_size, self.patch_size = part, block, image_size, patch_size
        self.num_channels, self.hidden_size, self.num_hidden_layers = num_channels, hidden_size, num_hidden_layers
        self.num_attention_heads, self.sparsity, self.pooling = num_attention_heads, sparsity, pooling
        self.decoder_depth, self.decoder_hidden_size = decoder_depth, decoder_hidden_size
        self.decoder_attention_heads, self.norm_pix_loss = decoder_attention_heads, norm_pix_loss
        self.mask_ratio, self.trained_grid = mask_ratio, trained_grid
        super().__init__(**more)
