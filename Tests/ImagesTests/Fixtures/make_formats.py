"""Writes small images of every kind that is decoded into a directory, and the pixels that are expected of them.

    python3 make_formats.py DIRECTORY        needs Pillow, numpy and tifffile

NAME.rgb has the expected pixels of NAME: width and height in 4 bytes each, and (row, column, channel), one byte each. They are those of
Pillow's `Image.open(NAME).convert("RGB")`, where `store` is not given others.
"""

import io
import struct
import sys
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

DIRECTORY = Path(sys.argv[1])


def picture(width, height):
    y, x = np.mgrid[0:height, 0:width].astype(float)
    waves = np.stack([np.sin(x / 3), np.cos(y / 4), np.sin((x + y) / 5)], -1)
    return (127 + 90 * waves + 25 * ((x // 6 + y // 6) % 2)[..., None]).astype(np.uint8)


def store(name, data, expected=None):
    (DIRECTORY / name).write_bytes(data)
    if expected is None:
        expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    if expected.ndim == 2:
        expected = np.repeat(expected[..., None], 3, -1)
    size = struct.pack("<ii", expected.shape[1], expected.shape[0])
    (DIRECTORY / f"{name}.rgb").write_bytes(size + expected.astype(np.uint8).tobytes())


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def scaled(values, largest):
    return np.round(values / largest * 255)


array = picture(37, 29)
image = Image.fromarray(array)
grey = image.convert("L")
palette = image.quantize(13)
bitmap = image.convert("1")
transparency = Image.fromarray((array[..., 0].astype(int) * 2 % 256).astype(np.uint8))
transparent = image.copy()
transparent.putalpha(transparency)
deep = array.astype(np.uint16) * 250 + np.arange(29, dtype=np.uint16)[:, None, None] * 31


def web_p():
    store("lossy.webp", encoded(image, "WEBP", quality=80))
    store("lossless.webp", encoded(image, "WEBP", lossless=True))
    store("lossy-alpha.webp", encoded(transparent, "WEBP", quality=70))
    store("lossless-alpha.webp", encoded(transparent, "WEBP", lossless=True, exact=True))
    frames = [transparent.transpose(Image.Transpose.FLIP_LEFT_RIGHT), image.convert("RGBA")]
    store("animation.webp", encoded(transparent, "WEBP", save_all=True, append_images=frames, duration=50))
    # A first frame smaller than the canvas, at (8, 4).
    frame = encoded(image.crop((0, 0, 16, 20)), "WEBP", lossless=True)[12:]
    small = lambda number: struct.pack("<I", number)[:3]
    chunk = lambda name, data: name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    parts = chunk(b"VP8X", b"\x02\0\0\0" + small(36) + small(28)) + chunk(b"ANIM", b"\x40\x80\xc0\xff\0\0")
    parts += chunk(b"ANMF", small(4) + small(2) + small(15) + small(19) + small(100) + b"\0" + frame)
    store("offset-animation.webp", b"RIFF" + struct.pack("<I", len(parts) + 4) + b"WEBP" + parts)


def gif():
    store("palette.gif", encoded(palette, "GIF", interlace=0))
    store("interlaced.gif", encoded(palette, "GIF", interlace=1))
    store("transparent.gif", encoded(palette, "GIF", transparency=3))
    store("grey.gif", encoded(grey, "GIF"))
    store("bitmap.gif", encoded(bitmap, "GIF"))
    store("animation.gif", encoded(palette, "GIF", save_all=True, append_images=[grey], duration=40))
    # The canvas larger than the frame, with and without a transparent colour, and smaller.
    for name, data in [("free.gif", encoded(palette, "GIF", interlace=0)),
                       ("free-transparent.gif", encoded(palette, "GIF", transparency=5))]:
        larger = bytearray(data)
        larger[6:10] = struct.pack("<HH", 50, 41)
        descriptor = larger.index(b",\0\0\0\0%\0\x1d\0")
        larger[descriptor + 1:descriptor + 5] = struct.pack("<HH", 9, 7)
        store(name, bytes(larger))
    smaller = bytearray(encoded(palette, "GIF"))
    smaller[6:10] = struct.pack("<HH", 10, 11)
    store("small-canvas.gif", bytes(smaller))


def bmp_file(width, height, bits, data, compression=0, palette=b"", masks=b"", header=40):
    if header == 12:
        info = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(data), 2835, 2835, len(palette) // 4, 0)
        if header > 40:
            info = struct.pack("<I", header) + info[4:] + masks + b"\0" * (header - 40 - len(masks))
            masks = b""
    start = 14 + len(info) + len(masks) + len(palette)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + info + masks + palette + data


def bmp():
    for name, source in [("bitmap", bitmap), ("palette", palette), ("grey", grey), ("rgb", image), ("rgba", transparent)]:
        store(f"{name}.bmp", encoded(source, "BMP"))
    indices = np.asarray(palette)
    colours = np.array(palette.getpalette()[:39], np.uint8).reshape(13, 3)[:, ::-1]
    table = b"".join(bytes(colour) + b"\0" for colour in colours)
    padded = np.pad(indices, ((0, 0), (0, 3)))
    nibbles = np.pad(indices, ((0, 0), (0, 3)))[:, 0::2] << 4 | np.pad(indices, ((0, 0), (0, 3)))[:, 1::2]
    rows = lambda values: values[::-1].tobytes()
    store("four-bits.bmp", bmp_file(37, 29, 4, rows(nibbles), palette=table))
    store("top-down.bmp", bmp_file(37, -29, 8, padded.tobytes(), palette=table))
    store("os2.bmp", bmp_file(37, 29, 8, rows(padded), palette=np.pad(colours, ((0, 243), (0, 0))).tobytes(), header=12))
    store("top-down-rgb.bmp", bmp_file(37, -29, 24, np.pad(array[..., ::-1].reshape(29, 111), ((0, 0), (0, 1))).tobytes()))
    wide = array.astype(np.uint32)
    five = wide >> 3
    short = (five[..., 0] << 10 | five[..., 1] << 5 | five[..., 2]).astype("<u2")
    store("fifteen-bits.bmp", bmp_file(37, 29, 16, rows(np.pad(short, ((0, 0), (0, 1))))))
    short = (five[..., 0] << 11 | wide[..., 1] >> 2 << 5 | five[..., 2]).astype("<u2")
    masks = struct.pack("<III", 0xF800, 0x7E0, 0x1F)
    store("sixteen-bits.bmp", bmp_file(37, 29, 16, rows(np.pad(short, ((0, 0), (0, 1)))), 3, masks=masks))
    # Alpha in the lowest byte.
    long = (wide[..., 0] << 24 | wide[..., 1] << 16 | wide[..., 2] << 8 | 77).astype("<u4")
    masks = struct.pack("<IIII", 0xFF000000, 0xFF0000, 0xFF00, 0xFF)
    store("bit-fields.bmp", bmp_file(37, 29, 32, rows(long), 3, masks=masks, header=108))
    # Ten bits each, which Pillow does not read.
    ten = wide * 1023 // 255
    masks = struct.pack("<III", 1023 << 20, 1023 << 10, 1023)
    long = (ten[..., 0] << 20 | ten[..., 1] << 10 | ten[..., 2]).astype("<u4")
    store("ten-bits.bmp", bmp_file(37, 29, 32, rows(long), 3, masks=masks), ten * 255 // 1023)
    store("runs-of-bytes.bmp", bmp_file(37, 29, 8, runs(indices[::-1], False), 1, palette=table))
    store("runs-of-half-bytes.bmp", bmp_file(37, 29, 4, runs(indices[::-1], True), 2, palette=table))
    # A row that ends early, and a jump of one row and three columns.
    data = b"\x05\x02\0\0" + b"\0\x02\x03\x01" + b"\x04\x07\0\0" + b"".join(b"\x25\x01\0\0" for _ in range(26)) + b"\0\1"
    store("jump.bmp", bmp_file(37, 29, 8, data, 1, palette=table))


def runs(rows, is_halved):
    """Runs of equal pixels, and others of at least three as they are."""
    data = b""
    for row in rows.tolist():
        place = 0
        while place < len(row):
            end = place + 1
            while end < len(row) and row[end] == row[place]:
                end += 1
            if end - place > 1 or len(row) - place < 3:
                value = row[place] << 4 | row[place] if is_halved else row[place]
                data += bytes([end - place, value])
            else:
                end = place + 3
                values = row[place:end]
                if is_halved:
                    values = [values[0] << 4 | values[1], values[2] << 4]
                data += bytes([0, 3] + values) + b"\0" * (len(values) % 2)
            place = end
        data += b"\0\0"
    return data + b"\0\1"


def pnm():
    store("binary.ppm", encoded(image, "PPM"))
    store("binary.pgm", encoded(grey, "PPM"))
    store("binary.pbm", encoded(bitmap, "PPM"))
    text = lambda values: "\n".join(" ".join(map(str, row)) for row in values.reshape(len(values), -1).tolist()).encode()
    ones = 1 - np.asarray(bitmap).astype(np.uint8)
    store("text.ppm", b"P3 # a comment\n37 29\n# another\n255\n" + text(array))
    store("text.pgm", b"P2\n37\n29 200\n" + text(np.asarray(grey) // 2))
    store("text.pbm", b"P1\n37 29\n" + text(ones).replace(b" ", b"") + b"\n")
    store("seven.ppm", b"P6 37 29 7\n" + (array >> 5).tobytes())
    store("thousand.ppm", b"P6 37 29 1000\n" + (deep // 66).astype(">u2").tobytes())
    store("deep.ppm", b"P6 37 29 65535\n" + deep.astype(">u2").tobytes())
    store("deep.pgm", b"P5 37 29 65535\n" + deep[..., 0].astype(">u2").tobytes(), scaled(deep[..., 0], 65535))
    for channels, kind in [(1, "GRAYSCALE"), (2, "GRAYSCALE_ALPHA"), (3, "RGB"), (4, "RGB_ALPHA")]:
        header = f"P7\n# a comment\nWIDTH 37\nHEIGHT 29\nDEPTH {channels}\nMAXVAL %d\nTUPLTYPE {kind}\nENDHDR\n"
        samples = np.asarray(transparent)[..., [[0], [0, 3], [0, 1, 2], [0, 1, 2, 3]][channels - 1]]
        expected = array if channels > 2 else array[..., 0]
        store(f"{channels}.pam", (header % 255).encode() + samples.tobytes(), expected)
        wide = samples.astype(np.uint16) * 257
        store(f"deep-{channels}.pam", (header % 65535).encode() + wide.astype(">u2").tobytes(), expected)


def tiff_file(values, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    return buffer.getvalue()


def tiff_by_pillow():
    for compression in ["raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "jpeg"]:
        store(f"rgb-{compression}.tif", encoded(image, "TIFF", compression=compression))
        store(f"grey-{compression}.tif", encoded(grey, "TIFF", compression=compression))
        store(f"cmyk-{compression}.tif", encoded(image.convert("CMYK"), "TIFF", compression=compression))
        if compression != "jpeg":
            store(f"palette-{compression}.tif", encoded(palette, "TIFF", compression=compression))
            store(f"bitmap-{compression}.tif", encoded(bitmap, "TIFF", compression=compression))
            store(f"rgba-{compression}.tif", encoded(transparent, "TIFF", compression=compression))
    for compression in ["tiff_ccitt", "group3", "group4"]:
        store(f"bitmap-{compression}.tif", encoded(bitmap, "TIFF", compression=compression))
    store("ycbcr-lzw.tif", encoded(image.convert("YCbCr"), "TIFF", compression="tiff_lzw"))
    store("ycbcr-jpeg.tif", encoded(image.convert("YCbCr"), "TIFF", compression="jpeg", quality=90))
    store("several.tif", encoded(image, "TIFF", save_all=True, append_images=[grey], compression="tiff_lzw"))
    store("predictor.tif", encoded(image, "TIFF", compression="tiff_lzw", tiffinfo={317: 2}))
    store("rows.tif", encoded(image, "TIFF", compression="tiff_lzw", tiffinfo={278: 5}))
    for orientation in range(1, 9):
        data = encoded(image, "TIFF", compression="tiff_lzw", tiffinfo={274: orientation})
        store(f"orientation-{orientation}.tif", data)


def tiff_by_tifffile():
    rgba = np.asarray(transparent)
    high = lambda values: values >> 8
    for order, name in [("<", "little"), (">", "big")]:
        for is_big in [False, True]:
            options = dict(byteorder=order, bigtiff=is_big, photometric="rgb")
            suffix = f"{name}-{64 if is_big else 32}.tif"
            # Pillow does not read 64-bit addresses in big-endian order.
            store(f"rgb-{suffix}", tiff_file(array, **options), array)
            store(f"deep-{suffix}", tiff_file(deep, compression="zlib", **options), high(deep))
            store(f"deep-grey-{suffix}", tiff_file(deep[..., 1], **{**options, "photometric": "minisblack"}),
                  scaled(deep[..., 1], 65535))
    store("inverted-deep.tif", tiff_file(deep[..., 1], photometric="miniswhite"), 255 - scaled(deep[..., 1], 65535))
    store("inverted.tif", tiff_file(np.asarray(grey), photometric="miniswhite"))
    for compression in [None, "zlib"]:
        tiles = dict(compression=compression, tile=(16, 16))
        label = compression or "none"
        store(f"tiles-{label}.tif", tiff_file(array, photometric="rgb", **tiles))
        store(f"tiles-deep-{label}.tif", tiff_file(deep, photometric="rgb", **tiles), high(deep))
        store(f"tiles-grey-{label}.tif", tiff_file(np.asarray(grey), **tiles))
        store(f"tiles-rgba-{label}.tif", tiff_file(rgba, photometric="rgb", extrasamples=["unassalpha"], **tiles))
        store(f"large-tile-{label}.tif", tiff_file(array, photometric="rgb", compression=compression, tile=(64, 48)))
        planes = dict(photometric="rgb", planarconfig="separate", compression=compression)
        store(f"planar-{label}.tif", tiff_file(np.moveaxis(array, -1, 0).copy(), **planes))
        store(f"planar-deep-{label}.tif", tiff_file(np.moveaxis(deep, -1, 0).copy(), **planes), high(deep))
        store(f"planar-rgba-{label}.tif",
              tiff_file(np.moveaxis(rgba, -1, 0).copy(), extrasamples=["unassalpha"], **planes), array)
        store(f"planar-tiles-{label}.tif", tiff_file(np.moveaxis(array, -1, 0).copy(), tile=(16, 32), **planes), array)
    store("premultiplied.tif", tiff_file(rgba, photometric="rgb", extrasamples=["assocalpha"], compression="zlib"))
    store("premultiplied-deep.tif", tiff_file(rgba.astype(np.uint16) * 200, photometric="rgb", extrasamples=["assocalpha"]))
    store("unspecified.tif", tiff_file(rgba, photometric="rgb", extrasamples=["unspecified"]))
    store("grey-alpha.tif", tiff_file(rgba[..., [0, 3]].copy(), photometric="minisblack", extrasamples=["unassalpha"]))
    cmyk = np.asarray(image.convert("CMYK"))
    cmyk = np.concatenate([cmyk[..., :3], array[..., :1] // 3], -1)
    store("cmyk.tif", tiff_file(cmyk, photometric="separated"))
    store("deep-cmyk.tif", tiff_file(cmyk.astype(np.uint16) * 256 + 99, photometric="separated"))
    for name, values in [("float", array / np.float32(255)), ("signed", deep.astype(np.int16))]:
        (DIRECTORY / f"refused-{name}.tif").write_bytes(tiff_file(values, photometric="rgb"))


web_p()
gif()
bmp()
pnm()
tiff_by_pillow()
tiff_by_tifffile()
