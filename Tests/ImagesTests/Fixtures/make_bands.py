"""Writes small images of several channels and of 16 bits into a directory, and the pixels that are expected of them.

    python3 make_bands.py DIRECTORY        needs Pillow, numpy and tifffile

NAME.CxD.pixels has the expected pixels of NAME in C channels of D bits: width and height in 4 bytes each, and (row, column, channel), little-
endian. They are what tifffile, Pillow or numpy read. NAME.CxD.refused has the reason for which NAME has no such pixels.
"""

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

DIRECTORY = Path(sys.argv[1])
HEIGHT, WIDTH = 13, 19


def bands(count, depth=16):
    y, x, channel = np.mgrid[0:HEIGHT, 0:WIDTH, 0:count].astype(float)
    waves = np.sin(x / 3 + channel) + np.cos(y / 4 - 2 * channel) + np.random.default_rng(count).uniform(-0.2, 0.2, x.shape)
    return np.clip((waves / 4.4 + 0.5) * (2 ** depth - 1), 0, 2 ** depth - 1).astype(np.uint16 if depth > 8 else np.uint8)


def scaled(values, largest, depth):
    """0...largest as 0...2^depth - 1, rounded."""
    return np.round(values.astype(float) / largest * (2 ** depth - 1)).astype(np.uint16 if depth == 16 else np.uint8)


def luma(values):
    """Pillow's convert("L"), for any depth."""
    red, green, blue = (values[..., channel].astype(np.int64) for channel in range(3))
    return ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).astype(values.dtype)


def store(name, data, *expected, refused=()):
    """`expected` are arrays (height, width, channels); those of 16 bits are expected in 8, too, rounded."""
    (DIRECTORY / name).write_bytes(data)
    for values in expected:
        values = values[..., None] if values.ndim == 2 else values
        kind = f"{values.shape[-1]}x{values.dtype.itemsize * 8}"
        size = struct.pack("<ii", values.shape[1], values.shape[0])
        (DIRECTORY / f"{name}.{kind}.pixels").write_bytes(size + values.astype(values.dtype.newbyteorder("<")).tobytes())
    for kind, reason in refused:
        (DIRECTORY / f"{name}.{kind}.refused").write_text(reason)


def asked(channels, own):
    return f"the image has {own} channel{'s' * (own > 1)}, {channels} are asked for"


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def grey(image):
    return np.asarray(image.convert("L"))


def wide(values):
    return values.astype(np.uint16) * 257


def png(values, interlaced=False, extra=b""):
    """A PNG of 16 bits, with 1, 2, 3 or 4 channels."""
    chunk = lambda name, data: struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    rows = lambda part: b"".join(b"\0" + row.astype(">u2").tobytes() for row in part) if part.size else b""
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    data = b"".join(rows(values[y::down, x::right]) for y, x, down, right in passes) if interlaced else rows(values)
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[values.shape[-1]]
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, interlaced)
    file = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    # Pillow reads the upper 8 bits.
    assert (np.asarray(Image.open(io.BytesIO(file)).convert("RGBA"))[..., :3] == (values >> 8)[..., [0, 1, 2] if kind & 2 else [0, 0, 0]]).all()
    return file


def png_files():
    one, three, four = bands(1), bands(3), bands(4)
    store("grey16.png", encoded(Image.fromarray(one[..., 0]), "PNG"), one, scaled(one, 65535, 8), one.repeat(3, -1),
          refused=[("4x16", asked(4, 1)), ("2x8", asked(2, 1))])
    store("grey16-alpha.png", png(bands(2)), bands(2), scaled(bands(2), 65535, 8), bands(2)[..., :1])
    store("rgb16.png", png(three), three, luma(three), luma((three >> 8).astype(np.uint8)), refused=[("4x16", asked(4, 3))])
    store("rgb16-interlaced.png", png(three, True), three)
    store("rgba16.png", png(four), four, scaled(four, 65535, 8), four[..., :3], luma(four[..., :3]))
    gamma = b"gAMA" + struct.pack(">I", 100000)
    gamma = struct.pack(">I", 4) + gamma + struct.pack(">I", zlib.crc32(gamma))
    store("rgb16-gamma.png", png(three, extra=gamma), three)
    rgba = Image.fromarray(bands(4, 8))
    store("rgba8.png", encoded(rgba, "PNG"), np.asarray(rgba), wide(np.asarray(rgba)), grey(rgba), wide(grey(rgba)),
          wide(np.asarray(rgba)[..., :3]), refused=[("5x8", asked(5, 4))])
    both = Image.fromarray(bands(2, 8))
    store("grey8-alpha.png", encoded(both, "PNG"), np.asarray(both), wide(np.asarray(both)), grey(both))


def files_of_8_bits():
    """Of 8 bits: grey as Pillow's, and both times 257."""
    image = Image.fromarray(bands(3, 8))
    palette = image.quantize(11)
    shades, dots = image.convert("L"), image.convert("1")
    for name, source, kind, options in [
            ("palette.png", palette, "PNG", {}), ("rgb.png", image, "PNG", {}), ("grey.png", shades, "PNG", {}),
            ("bitmap.png", dots, "PNG", {}), ("rgb.jpg", image, "JPEG", dict(quality=95, subsampling=0)),
            ("grey.jpg", shades, "JPEG", {}), ("rgb.bmp", image, "BMP", {}), ("palette.bmp", palette, "BMP", {}),
            ("palette.gif", palette, "GIF", {}), ("lossless.webp", image, "WEBP", dict(lossless=True)),
            ("rgb.ppm", image, "PPM", {}), ("grey.pgm", shades, "PPM", {}), ("bitmap.pbm", dots, "PPM", {}),
            ("rgb.tif", image, "TIFF", dict(compression="tiff_lzw")), ("grey.tif", shades, "TIFF", {}),
            ("palette.tif", palette, "TIFF", {}), ("bitmap.tif", dots, "TIFF", dict(compression="group4")),
            ("cmyk.tif", image.convert("CMYK"), "TIFF", dict(compression="tiff_lzw"))]:
        data = encoded(source, kind, **options)
        read = Image.open(io.BytesIO(data))
        rgb = np.asarray(read.convert("RGB"))
        own = grey(read.convert("RGB"))
        assert name == "cmyk.tif" or (own == grey(read)).all(), name
        reason = [] if Path(name).suffix in [".jpg", ".bmp", ".gif", ".webp"] else [
            ("7x8", asked(7, 4 if "cmyk" in name else 3 if "rgb" in name or name == "palette.png" else 1))]
        store(name, data, own, wide(own), wide(rgb), refused=reason)


def pnm():
    for channels, kind in [(1, "GRAYSCALE"), (2, "GRAYSCALE_ALPHA"), (3, "RGB"), (4, "RGB_ALPHA"), (6, "BANDS")]:
        for largest in [255, 1023, 4095, 65535]:
            values = scaled(bands(channels), 65535, 16).astype(int) * largest // 65535
            data = f"P7\nWIDTH {WIDTH}\nHEIGHT {HEIGHT}\nDEPTH {channels}\nMAXVAL {largest}\nTUPLTYPE {kind}\nENDHDR\n".encode()
            data += values.astype(">u2" if largest > 255 else np.uint8).tobytes()
            expected = [scaled(values, largest, 16), *([scaled(values, largest, 8)] if channels != 3 else [])]
            if channels in [2, 4]:
                colours = scaled(values[..., :channels - 1], largest, 16)
                # Colours of 8 bits become grey in 8 bits.
                if channels == 2:
                    expected += [colours, colours.repeat(3, -1)]
                else:
                    eight = values[..., :3].astype(np.uint8)
                    expected += [colours, wide(luma(eight)) if largest == 255 else luma(colours)]
            other = 5 if channels == 6 else 6
            store(f"{channels}-{largest}.pam", data, *expected, refused=[(f"{other}x16", asked(other, channels))])
    deep = bands(3).astype(int) * 1023 // 65535
    text = "\n".join(" ".join(map(str, row)) for row in deep.reshape(HEIGHT, -1).tolist())
    store("ten-bits.ppm", f"P3 {WIDTH} {HEIGHT} 1023\n{text}\n".encode(), scaled(deep, 1023, 16))


def tiff_file(values, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, **options)
    data = buffer.getvalue()
    return data, tifffile.imread(io.BytesIO(data))


def tiff_colours():
    one, three, four = bands(1)[..., 0], bands(3), bands(4)
    for order, name in [("<", "little"), (">", "big")]:
        for is_big in [False, True]:
            options = dict(byteorder=order, bigtiff=is_big)
            suffix = f"{name}-{64 if is_big else 32}.tif"
            data, read = tiff_file(one, **options)
            store(f"grey16-{suffix}", data, read, scaled(read, 65535, 8), refused=[("4x16", asked(4, 1))])
            data, read = tiff_file(three, photometric="rgb", compression="zlib", **options)
            store(f"rgb16-{suffix}", data, read, luma(read), luma((read >> 8).astype(np.uint8)),
                  refused=[("4x16", asked(4, 3))])
    data, read = tiff_file(one, photometric="miniswhite")
    store("inverted16.tif", data, 65535 - read, (65535 - read)[..., None].repeat(3, -1))
    data, read = tiff_file(four, photometric="rgb", extrasamples=["unassalpha"])
    store("rgba16.tif", data, read, read[..., :3], luma(read[..., :3]), scaled(read, 65535, 8), refused=[("5x16", asked(5, 4))])
    data, read = tiff_file(four, photometric="rgb", extrasamples=["assocalpha"])
    alpha = read[..., 3:].astype(np.int64)
    plain = np.where(alpha == 0, 0, np.minimum(65535, read[..., :3].astype(np.int64) * 65535 // np.maximum(alpha, 1))).astype(np.uint16)
    store("premultiplied16.tif", data, read, plain)
    data, read = tiff_file(bands(5), photometric="rgb", extrasamples=["unspecified"] * 2)
    store("rgb-and-two.tif", data, read, refused=[("3x16", asked(3, 5)), ("1x8", asked(1, 5))])
    data, read = tiff_file(bands(2), photometric="minisblack", extrasamples=["unassalpha"])
    store("grey16-alpha.tif", data, read, read[..., :1])
    data, read = tiff_file(bands(2), photometric="minisblack", extrasamples=["unspecified"], planarconfig="contig")
    store("two16.tif", data, read, refused=[("1x16", asked(1, 2))])
    data, read = tiff_file(four, photometric="separated")
    black = 65535 - read[..., 3:].astype(np.int64)
    store("cmyk16.tif", data, read, (black - (read[..., :3] * black + 32767) // 65535).astype(np.uint16))
    for orientation in range(1, 9):
        data, read = tiff_file(bands(5), photometric="minisblack", planarconfig="contig",
                               extratags=[(274, "H", 1, orientation, True)])
        store(f"turned-{orientation}.tif", data, turned(read, orientation))
    for name, values in [("float", bands(5) / np.float32(65535)), ("signed", bands(5).astype(np.int16))]:
        data, _ = tiff_file(values, photometric="minisblack", planarconfig="contig")
        kind = "floating-point" if name == "float" else "signed"
        store(f"{name}.tif", data, refused=[("5x16", f"a TIFF image of {kind} values")])


def turned(values, orientation):
    """As Pillow's ImageOps.exif_transpose."""
    turn = Image.Transpose
    methods = {2: turn.FLIP_LEFT_RIGHT, 3: turn.ROTATE_180, 4: turn.FLIP_TOP_BOTTOM, 5: turn.TRANSPOSE, 6: turn.ROTATE_270,
               7: turn.TRANSVERSE, 8: turn.ROTATE_90}
    if orientation == 1:
        return values
    planes = [Image.fromarray(values[..., channel].copy()) for channel in range(values.shape[-1])]
    return np.stack([np.asarray(plane.transpose(methods[orientation])) for plane in planes], -1)


def tiff_bands():
    for depth in [8, 16]:
        for count in [5, 8, 200]:
            values = bands(count, depth)
            planes = np.moveaxis(values, -1, 0).copy()
            other = (wide(values) if depth == 8 else scaled(values, 65535, 8),)
            for compression in [None, "zlib"]:
                label = f"{count}-{depth}-{compression or 'none'}"
                common = dict(photometric="minisblack", compression=compression)
                refused = [("3x16", asked(3, count)), ("1x8", asked(1, count)), ("6x16", asked(6, count))]
                data, read = tiff_file(values, planarconfig="contig", **common)
                store(f"chunky-{label}.tif", data, read, *other, refused=refused)
                data, read = tiff_file(values, planarconfig="contig", rowsperstrip=3, byteorder=">", **common)
                store(f"strips-{label}.tif", data, read, *other)
                data, read = tiff_file(planes, planarconfig="separate", rowsperstrip=4, **common)
                store(f"planar-{label}.tif", data, np.moveaxis(read, 0, -1), *other, refused=refused)
                data, read = tiff_file(values, planarconfig="contig", tile=(16, 16), **common)
                store(f"tiles-{label}.tif", data, read, *other)
                data, read = tiff_file(planes, planarconfig="separate", tile=(16, 32), **common)
                store(f"planar-tiles-{label}.tif", data, np.moveaxis(read, 0, -1), *other)
                data, read = tiff_file(planes, byteorder=">", bigtiff=count == 8, metadata=None, **common)
                store(f"pages-{label}.tif", data, np.moveaxis(read, 0, -1), *other,
                      values[..., 0], refused=[("6x16", asked(6, min(count, 7)))])
    buffer = io.BytesIO()
    planes = np.moveaxis(bands(5), -1, 0)
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(planes[0], subifds=4, metadata=None)
        for plane in planes[1:]:
            writer.write(plane, subfiletype=0, compression="zlib", metadata=None)
    store("sub-images.tif", buffer.getvalue(), bands(5), planes[0])
    # Smaller versions of the image are no channels.
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for plane in planes:
            writer.write(plane, metadata=None)
            writer.write(plane[::2, ::2].copy(), subfiletype=1, metadata=None)
    store("pages-and-smaller.tif", buffer.getvalue(), bands(5))
    for name, other, reason in [("sizes", planes[0][:-1].copy(), "the images of the TIFF differ in size or orientation"),
                                ("channels", bands(3), "the images of the TIFF have different numbers of channels")]:
        buffer = io.BytesIO()
        with tifffile.TiffWriter(buffer) as writer:
            writer.write(planes[0], metadata=None)
            writer.write(other, metadata=None)
        store(f"different-{name}.tif", buffer.getvalue(), refused=[("2x16", reason)])


def packed(values, bits):
    """Rows of values, the highest bit first, each row in whole bytes."""
    rows = values.reshape(HEIGHT, -1)
    digits = (rows[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(digits.reshape(HEIGHT, -1).astype(np.uint8), axis=1).tobytes()


def tiff_of_bits(values, bits, order, compression=1):
    """An uncompressed or deflated TIFF of one strip, of packed samples, which tifffile does not write."""
    data = packed(values, bits)
    data = zlib.compress(data) if compression == 8 else data
    channels = values.shape[-1]
    tags = [(256, 4, WIDTH), (257, 4, HEIGHT), (258, 3, bits), (259, 3, compression), (262, 3, 1), (273, 4, 8),
            (277, 3, channels), (278, 4, HEIGHT), (279, 4, len(data))]
    number = lambda kind, value: struct.pack(order + ("H" if kind == 3 else "I"), value).ljust(4, b"\0")
    end = 8 + len(data) + len(data) % 2
    directory = struct.pack(order + "H", len(tags) + (channels > 1))
    behind = end + 2 + 12 * (len(tags) + (channels > 1)) + 4
    extra = b""
    for tag, kind, value in tags:
        if tag == 258 and channels > 2:
            extra = struct.pack(order + "H", bits) * channels
            directory += struct.pack(order + "HHI", tag, 3, channels) + number(4, behind)
        elif tag == 258 and channels == 2:
            directory += struct.pack(order + "HHIHH", tag, 3, 2, bits, bits)
        else:
            directory += struct.pack(order + "HHI", tag, kind, 1) + number(kind, value)
    if channels > 1:
        directory += struct.pack(order + "HHI", 338, 3, channels - 1)
        directory += number(4, behind + len(extra)) if channels > 3 else b"\0" * 4
        extra += b"\0" * (2 * (channels - 1) if channels > 3 else 0)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(order + "I", end) + data + b"\0" * (len(data) % 2) + directory + b"\0" * 4 + extra


def tiff_packed():
    for order, name in [("<", "little"), (">", "big")]:
        for bits in [10, 12, 14]:
            for channels in [1, 2, 5]:
                values = (bands(channels).astype(int) * (2 ** bits - 1) // 65535)
                for compression in [1, 8]:
                    data = tiff_of_bits(values, bits, order, compression)
                    if (bits, channels, order, compression) == (12, 1, "<", 1):
                        assert (np.asarray(Image.open(io.BytesIO(data))) == values[..., 0]).all()
                    largest = 2 ** bits - 1
                    store(f"packed-{bits}-{channels}-{name}-{compression}.tif", data, scaled(values, largest, 16),
                          scaled(values, largest, 8))


png_files()
files_of_8_bits()
pnm()
tiff_colours()
tiff_bands()
tiff_packed()
