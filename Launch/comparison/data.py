"""Shards for the comparison: training and validation images, subsets of the labels, and drawings with masks."""
import hashlib
import io
import json
import math
import shutil
import tarfile
from pathlib import Path

from store import Refused

DRAWINGS = 400
# A subset is the same for the same archive: images are drawn by the hash of this key and their name.
KEY = 'crate claims'
RECORD = 1 + 3 * 32 * 32  # of CIFAR-10's binary batches: a label, and the pixels


def index(directory):
    path = Path(directory) / 'index.json'
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        raise Refused(f'{directory} holds no shards; give a directory that crate shard has written')


def rank(name):
    return hashlib.sha256(f'{KEY}:{name}'.encode()).digest()


def drawn(names, percent):
    """The drawn part of the names of each class, at least one of each, in order; smaller parts are in larger ones.

    `names`: pairs of class and name.
    """
    classes = {}
    for label, name in names:
        classes.setdefault(label, []).append(name)
    kept = (sorted(found, key=rank)[:max(1, math.ceil(len(found) * percent / 100))] for found in classes.values())
    return sorted(name for names_of_class in kept for name in names_of_class)


def is_binary(archive):
    return 'binary' in Path(archive).name


def prefixes(archive):
    """Where training and validation images are in an archive."""
    if is_binary(archive):
        return 'cifar-10-batches-bin/data_batch', 'cifar-10-batches-bin/test_batch'
    return 'cifar10/train', 'cifar10/test'


def add(archive, name, data):
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def write_subset(source, prefix, percent, target):
    """Writes the drawn part of the images below `prefix` as an archive that crate shard reads."""
    with tarfile.open(source) as whole:
        found = [member for member in whole.getmembers() if member.isfile()]
        inside = [member for member in found if member.name.startswith(prefix)]
        partial = target.with_name(f'{target.name}.partial')
        with tarfile.open(partial, 'w') as part:
            if is_binary(source):
                records = {
                    f'{member.name}:{number:05}': data[number * RECORD:][:RECORD]
                    for member in inside
                    for data in [whole.extractfile(member).read()]
                    for number in range(len(data) // RECORD)
                }
                names = drawn(((record[0], name) for name, record in records.items()), percent)
                add(part, f'{prefix}_1.bin', b''.join(records[name] for name in names))
                for member in found:
                    if member.name.endswith('batches.meta.txt'):
                        add(part, member.name, whole.extractfile(member).read())
            else:
                members = {member.name: member for member in inside}
                for name in drawn(((Path(name).parent.name, name) for name in members), percent):
                    add(part, name, whole.extractfile(members[name]).read())
    partial.rename(target)


class Data:
    """The shards of a comparison. `subsets`: by percent of the labels; 100 is the training set."""

    def __init__(self, options, store, program):
        self.options, self.store, self.program = options, store, program
        self.directory = store.work / 'data'
        if options.archive:
            self.train, self.validation = self.directory / 'train', self.directory / 'val'
            self.subsets = {percent: self.directory / f'train-{percent}' for percent in options.labels if percent < 100}
        else:
            self.train, self.validation = Path(options.data), Path(options.validation)
            self.subsets = {percent: Path(path) for percent, path in options.subset}
        if 100 in options.labels:
            self.subsets[100] = self.train
        self.drawings, self.masks = self.directory / 'drawings', self.directory / 'masks'

    def shard(self, source, prefix, target, *more):
        if not (target / 'index.json').exists():
            side = ('--image-size', self.options.image_size, '--patch-size', self.options.patch_size)
            self.program.run(f'data/{target.name}', 'shard', source, target, '--within', prefix, *side, *more)

    def prepare(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        if self.options.archive:
            train, validation = prefixes(self.options.archive)
            self.shard(self.options.archive, train, self.train)
            same = ('--classes', self.train / 'index.json')
            self.shard(self.options.archive, validation, self.validation, *same)
            for percent, path in self.subsets.items():
                archive = self.directory / f'{path.name}{"-binary" if is_binary(self.options.archive) else ""}.tar'
                if percent < 100 and not (path / 'index.json').exists():
                    write_subset(self.options.archive, train, percent, archive)
                    self.shard(archive, train, path, *same)
                    archive.unlink()
        self.draw()
        for directory in (self.train, self.validation, *self.subsets.values()):
            found = index(directory)
            if found.get('encoding') == 'patches' and found['patchSize'] != self.options.patch_size:
                raise Refused(
                    f'{directory} holds patches of {found["patchSize"]} pixels; give --patch-size '
                    f'{found["patchSize"]}, or other shards'
                )

    def draw(self):
        complete = self.directory / 'drawings.complete'
        if not complete.exists():
            for path in (self.drawings, self.masks):  # crate synthesize wants new directories
                shutil.rmtree(path, ignore_errors=True)
            self.program.run('data/drawings', 'synthesize', self.drawings, '--masks', self.masks, '--images', DRAWINGS,
                             '--image-size', self.options.image_size, '--seed', 7)
            complete.touch()

    def counts(self):
        """Images to train on, to evaluate on, and of each subset."""
        parts = {str(percent): index(path)['total'] for percent, path in self.subsets.items()}
        return {'train': index(self.train)['total'], 'validation': index(self.validation)['total'], 'subsets': parts}

    def checksums(self):
        """What identifies the data, for the settings."""
        return [index(path).get('indexChecksum') for path in (self.train, self.validation)]
