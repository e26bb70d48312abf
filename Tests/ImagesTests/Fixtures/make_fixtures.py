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


def coded(values, count):
    """Huffman codes of equal length for the symbols, which take as many bits as `count` says: (table for DHT, code of each symbol)."""
    counts = [len(values) if length == count else 0 for length in range(1, 17)]
    return bytes(counts) + bytes(values), {value: format(code, f"0{count}b") for code, value in enumerate(values)}


def sampled(array, factors, adobe=None):
    """A baseline JPEG whose components have these sampling factors (horizontal, vertical); Pillow writes only the usual ones."""
    def segment(marker, body):
        return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body

    def number(value):
        """The size of a value, and its bits."""
        size = int(abs(value)).bit_length()
        return size, format(value if value > 0 else value + (1 << size) - 1, f"0{size}b") if size else ""

    height, width, _ = array.shape
    widest, highest = max(h for h, _ in factors), max(v for _, v in factors)
    across, down = -(-width // (8 * widest)), -(-height // (8 * highest))
    full = np.pad(array, ((0, 8 * highest * down - height), (0, 8 * widest * across - width), (0, 0)), "edge")
    planes = []
    for component, (h, v) in enumerate(factors):
        plane, (x, y) = full[..., component % 3].astype(float), (widest // h, highest // v)
        planes.append(plane.reshape(plane.shape[0] // y, y, plane.shape[1] // x, x).mean((1, 3)) - 128)
    k, n = np.mgrid[0:8, 0:8]
    transform = np.cos((2 * n + 1) * k * np.pi / 16) * np.where(k == 0, np.sqrt(1 / 8), 1 / 2)
    order = sorted(range(64), key=lambda i: (i // 8 + i % 8, (i // 8 if (i // 8 + i % 8) % 2 else i % 8)))
    (dc_table, dc), (ac_table, ac) = coded(list(range(12)), 4), coded(
        [0, 0xF0] + [run << 4 | size for run in range(16) for size in range(1, 11)], 8)
    bits, last = [], [0] * len(factors)
    for row in range(down):
        for column in range(across):
            for component, (h, v) in enumerate(factors):
                for y in range(row * v, row * v + v):
                    for x in range(column * h, column * h + h):
                        block = planes[component][8 * y:8 * y + 8, 8 * x:8 * x + 8]
                        values = np.round(transform @ block @ transform.T / 4).astype(int).ravel()[order]
                        size, text = number(values[0] - last[component])
                        last[component] = values[0]
                        bits += [dc[size], text]
                        run = 0
                        for value in values[1:]:
                            if value == 0:
                                run += 1
                                continue
                            bits += [ac[0xF0]] * (run // 16)
                            size, text = number(value)
                            bits += [ac[run % 16 << 4 | size], text]
                            run = 0
                        if run:
                            bits.append(ac[0])
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    data = bytes(int(text[i:i + 8], 2) for i in range(0, len(text), 8)).replace(b"\xFF", b"\xFF\0")
    numbers = range(1, len(factors) + 1)
    return (
        b"\xFF\xD8" + (segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([adobe])) if adobe is not None else b"")
        + segment(0xDB, b"\0" + bytes([4] * 64))
        + segment(0xC0, struct.pack(">BHHB", 8, height, width, len(factors))
                  + b"".join(bytes([i, h << 4 | v, 0]) for i, (h, v) in zip(numbers, factors)))
        + segment(0xC4, b"\0" + dc_table) + segment(0xC4, b"\x10" + ac_table)
        + segment(0xDA, bytes([len(factors)]) + b"".join(bytes([i, 0]) for i in numbers) + b"\0\x3F\0") + data + b"\xFF\xD9")


array = picture(24, 20)
image = Image.fromarray(array)
rgb = encoded(image, "JPEG", quality=90)
store("rgb.jpg", rgb)
store("grey.jpg", encoded(image.convert("L"), "JPEG"))
store("cmyk.jpg", encoded(image.convert("CMYK"), "JPEG", quality=95))
store("ycck.jpg", four_inks(np.concatenate([array, 255 - array[..., :1] // 3], -1)))
store("progressive.jpg", encoded(image, "JPEG", progressive=True, quality=90))
store("extraneous.jpg", rgb[:-2] + b"\x12\x34\x56" + rgb[-2:])
for name, factors, adobe in [
    ("410", [(4, 2), (1, 1), (1, 1)], None), ("441", [(1, 4), (1, 1), (1, 1)], None),
    ("mixed", [(2, 2), (2, 1), (1, 1)], None), ("half-mixed", [(2, 1), (2, 1), (1, 1)], None),
    ("low-luma", [(1, 1), (2, 2), (2, 2)], None), ("all-wide", [(2, 1)] * 3, None),
    ("cmyk", [(1, 1), (2, 2), (2, 2), (1, 1)], 0), ("ycck", [(2, 1), (1, 1), (2, 1), (2, 1)], 2),
]:
    store(f"sampled-{name}.jpg", sampled(np.asarray(image.convert("YCbCr")), factors, adobe))
(HERE / "truncated.jpg").write_bytes(rgb[: len(rgb) * 3 // 4])

store("rgb.png", encoded(image, "PNG"))
store("grey.png", encoded(image.convert("L"), "PNG"))
store("palette.png", encoded(image.quantize(16), "PNG"))
alpha = Image.fromarray(np.concatenate([array, array[..., ::-1][..., :1]], -1), "RGBA")
store("rgba.png", encoded(alpha, "PNG"))
deep = (array.astype(np.uint16) * 257).astype(">u2")
store("deep.png", png(24, 20, 16, 2, [row.tobytes() for row in deep]))
for name, value in [("gamma", 45455), ("gamma-linear", 100_000), ("gamma-dark", 22_727)]:
    gamma = (b"gAMA", struct.pack(">I", value))
    store(f"{name}.png", png(24, 20, 8, 2, [row.tobytes() for row in array], gamma))
# All values of 16 bits, not only those that have one of 8.
spread = (array.astype(np.uint32) * 65_535 // 255 + np.arange(24 * 20 * 3, dtype=np.uint32).reshape(20, 24, 3) * 53) % 65_536
spread = spread.astype(">u2")
store("deep-colours.png", png(24, 20, 16, 2, [row.tobytes() for row in spread], gamma))
store("deep-alpha.png", png(24, 20, 16, 4, [row[:, :2].tobytes() for row in spread]))
# Pillow cuts grey of 16 bits off at 255.
(HERE / "deep-grey.png").write_bytes(png(24, 20, 16, 0, [row[:, 0].tobytes() for row in spread]))
grey = ((spread[..., 0].astype(np.uint32) * 255 + 32_767) // 65_535).astype(np.uint8)
(HERE / "deep-grey.png.rgb").write_bytes(np.repeat(grey[..., None], 3, -1).tobytes())
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
