#!/usr/bin/env python3
"""Writes the images of a folder <class>/<file> as WebP files of quality 90, or as a Parquet file as Hugging Face publishes them.

    make_source.py webp|parquet FOLDER OUT
"""
import sys
from pathlib import Path


def write_webp(files, out):
    from PIL import Image
    for path in files:
        target = out / path.parent.name / f'{path.stem}.webp'
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.open(path).convert('RGB').save(target, quality=90)


def write_parquet(files, out):
    import pyarrow
    import pyarrow.parquet
    classes = sorted({path.parent.name for path in files})
    images = [{'bytes': path.read_bytes(), 'path': path.name} for path in files]
    labels = [classes.index(path.parent.name) for path in files]
    pyarrow.parquet.write_table(pyarrow.table({'image': images, 'label': labels}), out, row_group_size=100)


if __name__ == '__main__':
    form, folder, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    files = sorted(path for path in folder.glob('*/*') if path.is_file())
    {'webp': write_webp, 'parquet': write_parquet}[form](files, out)
