"""PNG files, as crate writes them, put next to each other: for the picture of attention. Rows are bytes of 8-bit
RGB."""
import struct
import zlib

SIGNATURE = b'\x89PNG\r\n\x1a\n'


def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


def encode(width, rows):
    header = struct.pack('>IIBBBBB', width, len(rows), 8, 2, 0, 0, 0)
    pixels = zlib.compress(b''.join(b'\0' + bytes(row) for row in rows), 9)
    return SIGNATURE + chunk(b'IHDR', header) + chunk(b'IDAT', pixels) + chunk(b'IEND', b'')


def paeth(left, above, corner):
    distances = [abs(above - corner), abs(left - corner), abs(left + above - 2 * corner)]
    return (left, above, corner)[distances.index(min(distances))]


def unfiltered(kind, line, above, step):
    """The row `line`, which was stored as differences of `kind` from the pixel before it and the row above."""
    row = bytearray(line)
    for index in range(len(row)):
        left, corner = (row[index - step], above[index - step]) if index >= step else (0, 0)
        added = (0, left, above[index], (left + above[index]) // 2, paeth(left, above[index], corner))[kind]
        row[index] = (row[index] + added) & 255
    return row


def decode(data):
    """Width and rows of a PNG file of 8-bit grey, RGB or RGBA, not interlaced."""
    width, height, depth, colour, _, _, interlaced = struct.unpack('>IIBBBBB', data[16:29])
    channels = {0: 1, 2: 3, 6: 4}.get(colour)
    if data[:8] != SIGNATURE or depth != 8 or channels is None or interlaced:
        raise ValueError('not a PNG file of 8-bit grey or RGB')
    place, parts = 8, []
    while place < len(data):
        size, kind = struct.unpack('>I4s', data[place:place + 8])
        if kind == b'IDAT':
            parts.append(data[place + 8:place + 8 + size])
        place += size + 12
    raw, stride, rows, above = zlib.decompress(b''.join(parts)), width * channels, [], bytes(width * channels)
    for start in range(0, height * (stride + 1), stride + 1):
        above = unfiltered(raw[start], raw[start + 1:start + 1 + stride], above, channels)
        rows.append(rgb(above, channels))
    return width, rows


def rgb(row, channels):
    if channels == 3:
        return bytes(row)
    colours = [
        row[index:index + 3] if channels == 4 else row[index:index + 1] * 3 for index in range(0, len(row), channels)
    ]
    return b''.join(map(bytes, colours))


def enlarged(rows, scale):
    """Each pixel as a square of `scale` pixels."""
    for row in rows:
        wide = b''.join(row[index:index + 3] * scale for index in range(0, len(row), 3))
        yield from [wide] * scale


def stacked(files, scale=4, gap=8, ground=255):
    """PNG files below each other as one PNG file, enlarged, padded with grey of value `ground`."""
    pictures = [decode(data) for data in files]
    width = scale * max(width for width, _ in pictures)
    rows = []
    for own, picture in pictures:
        if rows:
            rows += [bytes([ground]) * 3 * width] * gap
        rows += [row + bytes([ground]) * 3 * (width - scale * own) for row in enlarged(picture, scale)]
    return encode(width, rows)
