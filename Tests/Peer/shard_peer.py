#!/usr/bin/env python3
"""Equivalent of `crate shard --encoding patches` with Pillow, pyarrow and h5py, to compare speed and pixels.

    shard_peer.py SOURCE OUT [--image-size 256] [--patch-size 16] [--shard-size 1024] [--jobs 1] [--within PREFIX]

SOURCE is a directory or an uncompressed tar archive with <class>/<file>, or a Parquet file as Hugging Face publishes them. Unreadable
files are skipped.
"""
import argparse
import io
import json
import multiprocessing
import os
import tarfile
import zlib
from pathlib import Path

import h5py
import numpy as np
from PIL import Image


def listing(source, within):
    """(class, file name, path, contents or position in the archive) of each image, sorted by name."""
    if source.suffix == '.parquet':
        return list(rows(source))
    if source.is_dir():
        root = source / within if within else source
        return sorted((path.parent.name, path.name, str(path)) for path in root.glob('*/*') if path.is_file())
    prefix = f'{within.rstrip("/")}/' if within else ''
    with tarfile.open(source, 'r:') as archive:
        members = [m for m in archive if m.isfile() and m.name.removeprefix('./').startswith(prefix)]
    return sorted((m.name.split('/')[-2], m.name.split('/')[-1], (m.offset_data, m.size)) for m in members)


def rows(source):
    """Of a Parquet file, as `listing` gives them; read while they are used."""
    import pyarrow.parquet
    for batch in pyarrow.parquet.ParquetFile(source).iter_batches(256, columns=['image', 'label']):
        images, labels = batch.column('image'), batch.column('label').to_pylist()
        for contents, path, label in zip(images.field('bytes').to_pylist(), images.field('path').to_pylist(), labels):
            yield f'{label:05}', path, contents


def prepare(place):
    """Patches, checksum and sums of one image; None if it cannot be read."""
    try:
        if isinstance(place, str):
            data = Path(place).read_bytes()
        elif isinstance(place, bytes):
            data = place
        else:
            data = os.pread(archive, place[1], place[0])
        image = Image.open(io.BytesIO(data)).convert('RGB')
        width, height = image.size
        shorter = min(width, height)
        if shorter != side:
            image = image.resize((side * width // shorter, side * height // shorter), Image.Resampling.BICUBIC)
    except (OSError, ValueError, SyntaxError):
        return None
    left, top = round((image.width - side) / 2), round((image.height - side) / 2)
    if image.size != (side, side):
        image = image.crop((left, top, left + side, top + side))
    pixels = np.asarray(image)
    count = side // patch
    patches = np.ascontiguousarray(pixels.reshape(count, patch, count, patch, 3).swapaxes(1, 2)).reshape(count**2, -1)
    flat = pixels.reshape(-1, 3)
    sums = flat.sum(0, dtype=np.int64), np.einsum('ij,ij->j', flat, flat, dtype=np.int64)
    return patches, zlib.crc32(patches), *sums


def set_up(source, image_size, patch_size):
    global archive, side, patch
    archive = None if source.is_dir() else os.open(source, os.O_RDONLY)
    side, patch = image_size, patch_size


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', type=Path)
    parser.add_argument('out', type=Path)
    parser.add_argument('--image-size', type=int, default=256)
    parser.add_argument('--patch-size', type=int, default=16)
    parser.add_argument('--shard-size', type=int, default=1024)
    parser.add_argument('--jobs', type=int, default=1)
    parser.add_argument('--within')
    options = parser.parse_args()

    images = listing(options.source, options.within)
    classes = sorted({image[0] for image in images})
    labels = {name: number for number, name in enumerate(classes)}
    options.out.mkdir(parents=True)
    arguments = options.source, options.image_size, options.patch_size
    if options.jobs > 1:
        pool = multiprocessing.Pool(options.jobs, set_up, arguments)
        results = pool.imap(prepare, (image[2] for image in images), chunksize=8)
    else:
        set_up(*arguments)
        results = map(prepare, (image[2] for image in images))

    per_image = ((options.image_size // options.patch_size)**2, options.patch_size**2 * 3)
    sums, squares, shards = np.zeros(3, np.int64), np.zeros(3, np.int64), []
    for number, start in enumerate(range(0, len(images), options.shard_size)):
        kept = []
        name = f'shard-{number:05}.h5'
        part = images[start:start + options.shard_size]
        with h5py.File(options.out / name, 'w') as file:
            dataset = file.create_dataset('patches', (len(part), *per_image), np.uint8, chunks=(1, *per_image),
                                          maxshape=(len(part), *per_image))
            for image, result in zip(part, results):
                if result is None:
                    continue
                dataset.id.write_direct_chunk((len(kept), 0, 0), result[0])
                sums += result[2]
                squares += result[3]
                kept.append((f'{image[0]}/{image[1]}', labels[image[0]], result[1]))
            dataset.resize(len(kept), 0)
            file['labels'] = np.array([row[1] for row in kept], np.int64)
            file['checksums'] = np.array([row[2] for row in kept], np.uint32)
            file.create_dataset('keys', data=[row[0] for row in kept], dtype=h5py.string_dtype())
        data = (options.out / name).read_bytes()
        shards.append({'file': name, 'count': len(kept), 'bytes': len(data), 'checksum': zlib.crc32(data)})
    total = sum(shard['count'] for shard in shards)
    pixels = max(1, total * options.image_size**2)
    mean = sums / pixels
    deviation = np.sqrt(squares / pixels - mean**2)
    (options.out / 'index.json').write_text(json.dumps({
        'formatVersion': 1, 'encoding': 'patches', 'imageSize': options.image_size, 'patchSize': options.patch_size,
        'classes': classes, 'mean': (mean / 255).tolist(), 'std': (deviation / 255).tolist(), 'total': total,
        'shards': shards}))
    print(json.dumps({'images': total, 'skipped': len(images) - total}))


if __name__ == '__main__':
    main()
