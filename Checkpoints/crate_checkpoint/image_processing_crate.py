"""Images for models of crate in transformers, the same bits as in the program. Comes with every `crate export --format huggingface`."""
import numpy as np
from transformers.image_processing_utils import BaseImageProcessor, BatchFeature

from .preprocessing import crop, normalise, square


class CrateImageProcessor(BaseImageProcessor):
    """The shorter side of an image becomes round(8/7 size), bicubic and antialiased; the central square of `size` is kept and normalised.

    With `stored_size`, the side of the squares in the shards of the training, an image is first made such a square and then framed as
    these are in evaluation.
    """

    model_input_names = ['pixel_values']

    def __init__(self, size=224, image_mean=(0.485, 0.456, 0.406), image_std=(0.229, 0.224, 0.225), stored_size=None, **more):
        super().__init__(**more)
        self.size = size if isinstance(size, dict) else {'height': size, 'width': size}
        self.image_mean, self.image_std, self.stored_size = list(image_mean), list(image_std), stored_size

    def __call__(self, images, **options):
        return self.preprocess(images, **options)

    def framed(self, image):
        """An image as (size, size, 3) in 0...255."""
        side, stored = self.size['height'], self.stored_size
        return crop(square(image, stored), side, stored=True, rounded=False) if stored else crop(image, side, rounded=False)

    def preprocess(self, images, return_tensors=None, **_):
        """Pillow images, paths or arrays (height, width, 3) of uint8, one or several, to `pixel_values` (N, 3, S, S)."""
        images = images if isinstance(images, (list, tuple)) else [images]
        values = normalise(np.stack([self.framed(image) for image in images]), self.image_mean, self.image_std)
        return BatchFeature({'pixel_values': values}, tensor_type=return_tensors)
