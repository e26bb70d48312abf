"""Images as the program makes them: the same bits as `crate shard`, and as evaluation, `crate features` and `crate attention` see them.

Resampling is Pillow's: a separable antialiased bicubic filter with weights in multiples of 2^-22, columns first, rounded to 8 bits
between the passes. Needs numpy, and Pillow to open files.
"""
from typing import NamedTuple, Tuple

import numpy as np

FRACTION = 22


class Framing(NamedTuple):
    """An image is resized to `width` x `height`, of which the square of `side` at (`x`, `y`) is kept; before that, all but the square of
    `crop` at its middle is cut off, if `crop` is given."""

    width: int
    height: int
    side: int
    x: int
    y: int
    crop: int = 0


def central(extent: int, side: int) -> int:
    """Where the middle `side` of `extent` pixels begins; odd margins are halved to the even number, as torchvision's CenterCrop does."""
    return round((extent - side) / 2)


def short_side(width: int, height: int, size: int, kept: int) -> Framing:
    """The shorter side becomes `size`, the longer one floor(size * longer / shorter); the central square of `kept` stays."""
    shorter = min(width, height)
    resized = size * width // shorter, size * height // shorter
    return Framing(*resized, kept, central(resized[0], kept), central(resized[1], kept))


def evaluation(width: int, height: int, side: int) -> Framing:
    """How an image of any size is framed in evaluation: its shorter side becomes round(8/7 side), the central square of `side` stays."""
    return short_side(width, height, (side * 8 + 3) // 7, side)


def stored_evaluation(stored: int, side: int) -> Framing:
    """How a square of a shard with `--image-size` is framed in evaluation: its central square of max(side, round(7/8 stored)), or all of
    it if it is smaller than `side`, becomes `side`."""
    return Framing(side, side, side, 0, 0, min(stored, max(side, (stored * 7 + 4) // 8)))


def cubic(x: np.ndarray) -> np.ndarray:
    """Keys' kernel with a = -1/2."""
    x = np.abs(x)
    inner = (1.5 * x - 2.5) * x * x + 1
    outer = (((x - 5) * x + 8) * x - 4) * -0.5
    return np.where(x < 1, inner, np.where(x < 2, outer, 0.0))


def weights(inputs: int, outputs: int, first: int, count: int) -> Tuple[np.ndarray, np.ndarray]:
    """The inputs of the outputs `first`, `first + 1`, ... and their fixed-point weights, (count, taps) each."""
    scale = inputs / outputs
    widening = max(scale, 1.0)
    centre = (first + np.arange(count) + 0.5) * scale
    start = np.maximum(0, (centre - 2 * widening + 0.5).astype(np.int64))
    end = np.minimum(inputs, (centre + 2 * widening + 0.5).astype(np.int64))
    taps = np.arange((end - start).max())
    places = start[:, None] + taps
    exact = cubic((taps + (start - centre + 0.5)[:, None]) * (1 / widening))
    exact[places >= end[:, None]] = 0
    total = np.zeros(count)
    for tap in taps:  # in order, as the program adds them
        total += exact[:, tap]
    scaled = exact / total[:, None] * (1 << FRACTION)
    return np.minimum(places, inputs - 1), np.trunc(scaled + np.copysign(0.5, scaled)).astype(np.int64)


def along(values: np.ndarray, table: Tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """The weighted sums along the first axis, not yet divided by 2^22. (n, ...) -> (count, ...)"""
    places, factors = table
    total = np.zeros((len(places),) + values.shape[1:], np.int64)
    for tap in range(places.shape[1]):
        factor = factors[:, tap].reshape((-1,) + (1,) * (values.ndim - 1))
        total += values[places[:, tap]].astype(np.int64) * factor
    return total


def levels(sums: np.ndarray) -> np.ndarray:
    return np.clip((sums + (1 << (FRACTION - 1))) >> FRACTION, 0, 255).astype(np.uint8)


def resample(image: np.ndarray, framing: Framing, rounded: bool = True) -> np.ndarray:
    """`image` (height, width, 3) of uint8, framed. (side, side, 3) of uint8 or, if not `rounded`, of float32 in 0...255, for which the
    program does not round after the second pass."""
    if framing.crop:
        top, left = (central(extent, framing.crop) for extent in image.shape[:2])
        image = image[top:top + framing.crop, left:left + framing.crop]
    height, width = image.shape[:2]
    columns = weights(width, framing.width, framing.x, framing.side)
    narrow = levels(along(image.swapaxes(0, 1), columns)).swapaxes(0, 1)
    sums = along(narrow, weights(height, framing.height, framing.y, framing.side))
    if rounded:
        return levels(sums)
    return np.clip(sums, 0, 255 << FRACTION).astype(np.float32) / np.float32(1 << FRACTION)


def pixels(image) -> np.ndarray:
    """(height, width, 3) of uint8 of an array, a Pillow image or a path of an image file. Like the program, EXIF does not turn it."""
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f'an image is (height, width, 3) of uint8, not {image.shape} of {image.dtype}')
        return image
    from PIL import Image
    if not isinstance(image, Image.Image):
        image = Image.open(image)
    return np.asarray(image.convert('RGB'))


def square(image, side: int) -> np.ndarray:
    """What `crate shard --image-size` stores of an image: the shorter side becomes `side`, the middle stays. (side, side, 3) of uint8"""
    values = pixels(image)
    return resample(values, short_side(values.shape[1], values.shape[0], side, side))


def crop(image, side: int, stored: bool = False, rounded: bool = True) -> np.ndarray:
    """An image framed as in evaluation; `stored` says that it is a square of a shard. (side, side, 3)"""
    values = pixels(image)
    height, width = values.shape[:2]
    framing = stored_evaluation(width, side) if stored else evaluation(width, height, side)
    return resample(values, framing, rounded)


def normalise(images: np.ndarray, mean, std) -> np.ndarray:
    """(..., side, side, 3) in 0...255 to (..., 3, side, side) of float32: (x / 255 - mean) / std."""
    std = np.asarray(std, np.float32)
    scaled = images.astype(np.float32) * (1 / (255 * std)) - np.asarray(mean, np.float32) / std
    return np.ascontiguousarray(np.moveaxis(scaled, -1, -3))


def preprocess(images, description, stored: bool = False) -> np.ndarray:
    """Model input from image files, Pillow images or arrays, exactly as in the program. (N, 3, S, S) of float32

    Raises ValueError for a model of other channels: give it what `normalise` makes of its images, in the range 0...255.
    """
    if description.channels != 3:
        raise ValueError(f'the model takes {description.channels} channels: scale its images to 0...255 and use `normalise`')
    framed = [crop(image, description.image_size, stored, rounded=False) for image in images]
    return normalise(np.stack(framed), description.mean, description.std)
