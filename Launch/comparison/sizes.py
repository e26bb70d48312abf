"""The models that are compared: their shapes, parameters and operations, and the widths of equal parameters and
operations.

D channels, T tokens with the class token, V of them visible. A product of T tokens with a (D, D) weight takes 2 T D^2
operations forward and twice as many backward; as in `crate bench`, the sparse coding of CRATE counts by its plain
formula, and the embedding not at all.
"""
import math
from dataclasses import dataclass, replace

# By the name used in files and options: the title, and the model whose shape it has if it is not one of its own.
TITLES = {
    'crate': 'CRATE-MAE',
    'vit': 'ViT-MAE, equal width',
    'vit-parameters': 'ViT-MAE, equal parameters',
    'vit-operations': 'ViT-MAE, equal operations',
    'vit-time': 'ViT-MAE, equal time',
    'tost': 'ToST',
    'crate-alpha': 'CRATE-alpha',
}
SAME_SHAPE = {'vit-time': 'vit'}
ARCHITECTURE_TITLES = {'crate': 'CRATE', 'vit': 'ViT', 'tost': 'ToST', 'crate-alpha': 'CRATE-alpha'}
# Products with a (D, D) weight of an encoder and of a decoder block: forward and backward; those of tokens with tokens.
PRODUCTS = {'crate': (12, 9, 5), 'vit': (36, 36, 6), 'tost': (12, 9, 0), 'crate-alpha': (54, 54, 5)}


@dataclass(frozen=True)
class Shape:
    """A masked autoencoder; the decoder is as deep and wide as the encoder."""
    architecture: str
    dim: int
    depth: int
    heads: int
    image_size: int = 32
    patch_size: int = 4

    def options(self):
        """As options of crate."""
        words = [
            '--architecture', self.architecture, '--dim', self.dim, '--depth', self.depth, '--heads', self.heads,
            '--image-size', self.image_size, '--patch-size', self.patch_size, '--decoder-depth', self.depth
        ]
        if self.architecture == 'vit':
            words += ['--decoder-dim', self.dim, '--decoder-heads', self.heads]
        return words

    def text(self):
        return f'width {self.dim}, {self.depth} + {self.depth} blocks, {self.heads} heads'

    @property
    def tokens(self):
        return (self.image_size // self.patch_size)**2 + 1

    @property
    def patch_values(self):
        return 3 * self.patch_size**2

    def parameters(self):
        dim, values = self.dim, self.patch_values
        squares = {'crate': 3, 'vit': 12, 'tost': 3, 'crate-alpha': 10}[self.architecture]
        vectors = {'crate': 5, 'vit': 13, 'tost': 6, 'crate-alpha': 4}[self.architecture]
        block = squares * dim**2 + vectors * dim + (self.heads if self.architecture == 'tost' else 0)
        if self.heads == 1 and self.architecture in ('crate', 'crate-alpha'):
            # With one subspace, attention has no weights behind it.
            block -= dim**2 + (dim if self.architecture == 'crate' else 0)
        # Class and mask token, two norms, the embedding, the prediction.
        rest = 6 * dim + values * dim + dim + values * dim + values
        return 2 * self.depth * block + rest + (dim**2 + dim if self.architecture == 'vit' else 0)

    def block_operations(self, products, tokens):
        scores = PRODUCTS[self.architecture][2]
        return products * 2 * tokens * self.dim**2 + scores * 2 * tokens**2 * self.dim

    def operations(self, mask_ratio=0.75):
        """Of an image in pretraining, forward and backward; what `crate bench` prints in units of 10^9."""
        encoder, decoder, _ = PRODUCTS[self.architecture]
        patches = self.tokens - 1
        visible = self.tokens if self.architecture != 'vit' else patches - int(mask_ratio * patches) + 1
        total = self.depth * (self.block_operations(encoder, visible) + self.block_operations(decoder, self.tokens))
        total += 6 * patches * self.dim * self.patch_values
        return total + (6 * visible * self.dim**2 if self.architecture == 'vit' else 0)

    def encoder_operations(self):
        """Of an image of which nothing is hidden, through the encoder, forward only."""
        return self.depth * self.block_operations(PRODUCTS[self.architecture][0], self.tokens) / 3


def heads_of(dim, head_width):
    """The number of heads that divides `dim` and whose width is nearest to `head_width` on a scale of ratios."""
    return min((heads for heads in range(1, dim + 1) if dim % heads == 0),
               key=lambda heads: (abs(math.log(dim / heads / head_width)), heads))


def nearest(base, measure, target):
    """The shape of the depth of `base` whose `measure` is nearest to `target` on a scale of ratios. Its width is a
    multiple of 4, and that of its heads between two thirds and one and a half times that of `base`."""
    head_width, shapes = base.dim / base.heads, []
    for dim in range(4, 8 * base.dim + 1, 4):
        heads = heads_of(dim, head_width)
        if 2 / 3 <= dim / heads / head_width <= 1.5:
            shapes.append(replace(base, dim=dim, heads=heads))
    return min(shapes, key=lambda shape: abs(math.log(measure(shape) / target)))


def shapes(base, mask_ratio=0.75):
    """The shape of each model, by name, for a CRATE of shape `base`."""
    vit = replace(base, architecture='vit')
    return {
        'crate': base,
        'vit': vit,
        'vit-parameters': nearest(vit, Shape.parameters, base.parameters()),
        'vit-operations': nearest(vit, lambda shape: shape.operations(mask_ratio), base.operations(mask_ratio)),
        'vit-time': vit,
        'tost': replace(base, architecture='tost'),
        'crate-alpha': replace(base, architecture='crate-alpha'),
    }
