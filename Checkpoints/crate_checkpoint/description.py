"""What the metadata of a file of crate say about its model. Needs neither PyTorch nor any tensor's values."""
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Optional, Tuple

from safetensors import safe_open

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
ARCHITECTURES = ('crate', 'crate-alpha', 'tost', 'vit')
# Of a directory of `crate export --format huggingface`: where transformers' classes have the model.
PREFIX = 'crate.net.'
PARTS = ('autoencoder', 'encoder', 'classifier', 'supervised')


@dataclass
class Description:
    """A model's sizes and how its pixels are normalised.

    `part` is `autoencoder`, `encoder` (of an autoencoder), `classifier` (such an encoder under a head) or `supervised` (a classifier in
    its authors' form). `sparsity` is lambda. `trained_grid` is the number of patches per side in training, if that was another one.
    """

    part: str
    architecture: str = 'crate'
    image_size: int = 224
    patch: int = 16
    dim: int = 384
    depth: int = 12
    heads: int = 6
    sparsity: float = 0.5
    decoder_depth: Optional[int] = None
    decoder_dim: Optional[int] = None
    decoder_heads: Optional[int] = None
    classes: Optional[int] = None
    pooling: str = 'mean'
    normalises_targets: bool = False
    mask_ratio: float = 0.75
    mean: Tuple[float, ...] = IMAGENET[0]
    std: Tuple[float, ...] = IMAGENET[1]
    trained_grid: Optional[int] = None
    channels: int = 3
    origin: Dict[str, str] = field(default_factory=dict)

    @property
    def grid(self) -> int:
        """Patches per side."""
        return self.image_size // self.patch

    @property
    def title(self) -> str:
        """The model in a few words."""
        names = {'crate': 'CRATE', 'crate-alpha': 'CRATE-alpha', 'tost': 'ToST', 'vit': 'ViT'}
        kinds = {'autoencoder': '-MAE', 'encoder': '-MAE, encoder only', 'classifier': ' under a classifier head',
                 'supervised': ', supervised'}
        return names[self.architecture] + kinds[self.part]

    @classmethod
    def of(cls, metadata: Dict[str, str], name: str = 'the file') -> 'Description':
        """Of the metadata of a safetensors file. Raises ValueError if they are not those of crate."""
        try:
            return cls._of(metadata, name)
        except (KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            raise ValueError(f'the metadata of {name} are damaged: {type(error).__name__} {error}') from None

    @classmethod
    def _of(cls, metadata, name):
        if 'classifier' in metadata:
            head = json.loads(metadata['classifier'])
            config, part = head['encoder'], 'supervised' if head['form'] == 'supervised' else 'classifier'
            more = {'classes': head['classes'], 'pooling': head['pooling']}
        elif 'config' in metadata:
            config, more = json.loads(metadata['config']), {}
            part = 'encoder' if metadata.get('part') == 'encoder' else 'autoencoder'
            if part == 'autoencoder':
                decoder = config.get('decoder', {})
                more = {'decoder_depth': config['decoderDepth'], 'decoder_dim': decoder.get('dim'),
                        'decoder_heads': decoder.get('heads'), 'normalises_targets': config['normalisesTargets']}
        else:
            raise ValueError(f'{name} is not an export of crate: its metadata have no configuration')
        pixels = json.loads(metadata['normalisation']) if 'normalisation' in metadata else None
        if pixels:
            more.update(mean=tuple(pixels['mean']), std=tuple(pixels['deviation']))
        return cls(part, config.get('architecture', 'crate'), config['imageSize'], config['patchSize'], config['dim'],
                   config['depth'], config['heads'], config['lambda'], trained_grid=config.get('positionGrid'),
                   channels=config.get('channels', 3),
                   mask_ratio=float(metadata.get('mask_ratio', 0.75)),
                   origin={key: metadata[key] for key in ('run', 'step') if key in metadata}, **more).checked(name)

    def checked(self, name: str = 'the model') -> 'Description':
        """Itself. Raises ValueError if the sizes are no model's, before memory is sized by them."""
        sizes = [self.image_size, self.patch, self.dim, self.depth, self.heads, self.channels]
        optional = [self.decoder_depth, self.decoder_dim, self.decoder_heads, self.classes, self.trained_grid]
        sizes += [size for size in optional if size is not None]
        fits = all(isinstance(size, int) and 0 < size <= 100_000 for size in sizes)
        if self.architecture not in ARCHITECTURES or self.part not in PARTS or self.pooling not in ('mean', 'class'):
            raise ValueError(f'{name} is of a kind that this version does not know: {self.architecture}, {self.part}')
        if not fits or self.image_size % self.patch or self.dim % self.heads or self.dim % 4 or self.depth > 256:
            raise ValueError(f'{name} says sizes that are no model\'s: {sizes}')
        return self


def published(name: str) -> str:
    """The published name of a tensor."""
    return name[len(PREFIX):] if name.startswith(PREFIX) else name


def metadata(path) -> Dict[str, str]:
    """The metadata of the file: config or classifier, run, step, normalisation, mask_ratio, part."""
    with safe_open(str(path), 'np') as file:
        return file.metadata() or {}


def model_file(path) -> str:
    """The file of weights at `path`: itself, or in a directory of `crate export --format huggingface`."""
    if not Path(path).is_dir():
        return str(path)
    inside = Path(path) / 'model.safetensors'
    if inside.exists() and not (Path(path) / 'manifest.json').exists():
        return str(inside)
    raise ValueError(f'{path} is a directory; write a file with: crate export --checkpoint {path} --output FILE')


def describe(path) -> Description:
    """The description of the model in `path`, an export of crate. Raises ValueError for any other file."""
    file = model_file(path)
    return Description.of(metadata(file), file)
