"""Creates the fixtures in this directory: small images of each kind, and the pixels that Pillow decodes from them.

    python3 make_fixtures.py        needs Pillow, numpy and libturbojpeg

NAME.rgb contains the expected pixels of NAME: (row, column, channel), one byte each, 24 x 20 pixels. resized-*.rgb are
resized versions of picture.png. Resizing uses two calls, columns first, which was Pillow's order up to release 12. Release 13
resizes tall images rows first.
"""

import ctypes
import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent


def picture(width, height):
    y, x = np.mgrid[0:height, 0:width].astype(float)
    waves = np.stack([np.sin(x / 3), np.cos(y / 4), np.sin((x + y) / 5)], -1)
    values = 127 + 90 * waves + 25 * ((x // 6 + y // 6) % 2)[..., None]
    return np.clip(values, 0, 255).astype(np.uint8)


def store(name, data):
    (HERE / name).write_bytes(data)
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    (HERE / (name + ".rgb")).write_bytes(pixels.tobytes())


def encoded(image, format, **options):
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def png(width, height, depth, colour, rows, *chunks):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(chunk(*extra) for extra in chunks)
        + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def four_inks(array):
    """A YCCK JPEG. TurboJPEG can create one from CMYK pixels, Pillow cannot."""
    library = ctypes.CDLL("libturbojpeg.so.0")
    library.tjInitCompress.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(library.tjInitCompress())
    height, width, _ = array.shape
    buffer, size = ctypes.c_void_p(), ctypes.c_ulong()
    pixel_format_cmyk, sampling_444 = 11, 0
    status = library.tjCompress2(
        handle, array.tobytes(), width, 0, height, pixel_format_cmyk, ctypes.byref(buffer), ctypes.byref(size),
        sampling_444, 95, 0)
    assert status == 0
    return ctypes.string_at(buffer, size.value)


array = picture(24, 20)
image = Image.fromarray(array)
rgb = encoded(image, "JPEG", quality=90)
store("rgb.jpg", rgb)
store("grey.jpg", encoded(image.convert("L"), "JPEG"))
store("cmyk.jpg", encoded(image.convert("CMYK"), "JPEG", quality=95))
store("ycck.jpg", four_inks(np.concatenate([array, 255 - array[..., :1] // 3], -1)))
store("progressive.jpg", encoded(image, "JPEG", progressive=True, quality=90))
store("extraneous.jpg", rgb[:-2] + b"\x12\x34\x56" + rgb[-2:])
(HERE / "truncated.jpg").write_bytes(rgb[: len(rgb) * 3 // 4])

store("rgb.png", encoded(image, "PNG"))
store("grey.png", encoded(image.convert("L"), "PNG"))
store("palette.png", encoded(image.quantize(16), "PNG"))
alpha = Image.fromarray(np.concatenate([array, array[..., ::-1][..., :1]], -1), "RGBA")
store("rgba.png", encoded(alpha, "PNG"))
deep = (array.astype(np.uint16) * 257).astype(">u2")
store("deep.png", png(24, 20, 16, 2, [row.tobytes() for row in deep]))
gamma = (b"gAMA", struct.pack(">I", 45455))
store("gamma.png", png(24, 20, 8, 2, [row.tobytes() for row in array], gamma))
(HERE / "truncated.png").write_bytes(encoded(image, "PNG")[:400])
(HERE / "vast.png").write_bytes(png(100_000, 100_000, 8, 2, [b""]))

large = Image.fromarray(picture(61, 45))
(HERE / "picture.png").write_bytes(encoded(large, "PNG"))


def resized(source, width, height):
    return source.resize((width, source.height), Image.BICUBIC).resize((width, height), Image.BICUBIC)


def central(source, side):
    left, top = round((source.width - side) / 2), round((source.height - side) / 2)
    return source.crop((left, top, left + side, top + side))


results = {
    "short-side-32": central(resized(large, 32 * 61 // 45, 32), 32),
    "short-side-9": central(resized(large, 9 * 61 // 45, 9), 9),
    "crop-24": resized(large.crop((5, 3, 5 + 41, 3 + 39)), 24, 24),
    "enlarged-24": resized(large.crop((50, 30, 50 + 11, 30 + 15)), 24, 24),
}
for name, result in results.items():
    (HERE / f"resized-{name}.rgb").write_bytes(np.asarray(result).tobytes())

# One channel of 16 bits, 61 x 45, and what the same two calls make of it.
deep = (np.arange(45)[:, None] * 1453 + np.arange(61)[None, :] * 977 + (np.arange(45 * 61).reshape(45, 61) * 40503) % 20011) % 65536
deep = Image.fromarray(deep.astype("<u2"))
(HERE / "deep.u16").write_bytes(np.asarray(deep).astype("<u2").tobytes())
for name, result in {
    "short-side-9": central(resized(deep, 9 * 61 // 45, 9), 9),
    "crop-24": resized(deep.crop((5, 3, 5 + 41, 3 + 39)), 24, 24),
    "enlarged-24": resized(deep.crop((50, 30, 50 + 11, 30 + 15)), 24, 24),
}.items():
    (HERE / f"resized-{name}.u16").write_bytes(np.asarray(result).astype("<u2").tobytes())
