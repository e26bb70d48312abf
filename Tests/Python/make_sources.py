"""Makes one small fake CIFAR-10 in every form that people have it in, each with the usual tool of that form.

    .venv/bin/python Tests/Python/make_sources.py DIR FORM...

Two training batches of 20 images and a test batch of 10. Names of files are those of the binary batches' images, so that folder and zip
give the same shards, byte for byte.
"""
import gzip, io, json, os, pickle, struct, sys, zipfile

import numpy as np
from PIL import Image

CLASSES = "airplane automobile bird cat".split()
BATCHES = {"data_batch_1": 20, "data_batch_2": 20, "test_batch": 10}


def draw(name):
    """Images (N, 32, 32, 3) and labels of a batch."""
    generator = np.random.default_rng(list(BATCHES).index(name))
    count = BATCHES[name]
    coarse = generator.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    # Areas of one value, so that dictionaries and compression have something to do.
    return coarse.repeat(8, 1).repeat(8, 2), generator.permutation(np.arange(count) % len(CLASSES))


def encoded(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def training():
    """Name, image and label of each training image."""
    for name in ["data_batch_1", "data_batch_2"]:
        images, labels = draw(name)
        for number, (image, label) in enumerate(zip(images, labels)):
            yield f"{name}-{number:05}", image, int(label)


def planes(images):
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2)).reshape(len(images), -1)


def binary(path):
    for name in BATCHES:
        images, labels = draw(name)
        with open(f"{path}/{name}.bin", "wb") as file:
            for label, values in zip(labels, planes(images)):
                file.write(bytes([label]) + values.tobytes())
    with open(f"{path}/batches.meta.txt", "w") as file:
        file.write("\n".join(CLASSES) + "\n\n")


class Python2Pickler(pickle._Pickler):
    """Writes texts as Python 2 did when CIFAR was published."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_text(self, value):
        data = value.encode() if isinstance(value, str) else value
        head = b"U" + bytes([len(data)]) if len(data) < 256 else b"T" + struct.pack("<i", len(data))
        self.write(head + data)
        self.memoize(value)

    dispatch[str] = dispatch[bytes] = save_text


def dump(value, path):
    with open(path, "wb") as file:
        Python2Pickler(file, 2).dump(value)


def pickles(path):
    for name in BATCHES:
        images, labels = draw(name)
        names = [f"{name}-{number}.png" for number in range(len(labels))]
        dump({"batch_label": name, "labels": [int(x) for x in labels], "data": planes(images), "filenames": names},
             f"{path}/{name}")
    dump({"num_cases_per_batch": 20, "label_names": CLASSES, "num_vis": 3072}, f"{path}/batches.meta")


def cifar100(path):
    os.makedirs(f"{path}/binary")
    os.makedirs(f"{path}/python")
    coarse, fine = ["fish", "flowers"], ["apple", "bear", "cod", "daisy"]
    for name, batch in [("train", "data_batch_1"), ("test", "test_batch")]:
        images, labels = draw(batch)
        with open(f"{path}/binary/{name}.bin", "wb") as file:
            for label, values in zip(labels, planes(images)):
                file.write(bytes([label // 2, label]) + values.tobytes())
        dump({"filenames": [], "batch_label": name, "fine_labels": [int(x) for x in labels],
              "coarse_labels": [int(x) // 2 for x in labels], "data": planes(images)}, f"{path}/python/{name}")
    for name, texts in [("coarse", coarse), ("fine", fine)]:
        with open(f"{path}/binary/{name}_label_names.txt", "w") as file:
            file.write("\n".join(texts) + "\n")
    dump({"fine_label_names": fine, "coarse_label_names": coarse}, f"{path}/python/meta")


def folder(path):
    for name, image, label in training():
        os.makedirs(f"{path}/{CLASSES[label]}", exist_ok=True)
        with open(f"{path}/{CLASSES[label]}/{name}", "wb") as file:
            file.write(encoded(image))


def zips(path):
    for form, method in [("deflated", zipfile.ZIP_DEFLATED), ("stored", zipfile.ZIP_STORED)]:
        with zipfile.ZipFile(f"{path}/{form}.zip", "w", method) as archive:
            archive.mkdir("cifar/train/") if hasattr(archive, "mkdir") else None
            for number, (name, image, label) in enumerate(training()):
                with archive.open(f"cifar/train/{CLASSES[label]}/{name}", "w", force_zip64=number % 2 == 0) as file:
                    file.write(encoded(image))
            archive.writestr("__MACOSX/cifar/._train", b"x")


def arrays(path):
    items = list(training())
    images, labels = np.stack([x[1] for x in items]), np.array([x[2] for x in items])
    test_images, test_labels = draw("test_batch")
    np.save(f"{path}/images.npy", images)
    np.save(f"{path}/labels.npy", labels)
    np.save(f"{path}/texts.npy", np.array(CLASSES)[labels])
    np.savez(f"{path}/one.npz", images=images, labels=labels.astype(np.uint8)[:, None])
    parts = dict(x_train=images, y_train=labels, x_test=test_images, y_test=test_labels)
    np.savez_compressed(f"{path}/parts.npz", **parts)
    with open(f"{path}/names.txt", "w") as file:
        file.write("\n".join(CLASSES) + "\n")


def mnist(path):
    for name, batch in [("train", "data_batch_1"), ("t10k", "test_batch")]:
        images, labels = draw(batch)
        grey = images[:, :, :28, 0]
        with gzip.open(f"{path}/{name}-images-idx3-ubyte.gz", "wb") as file:
            file.write(struct.pack(">iiii", 0x803, *grey.shape) + grey.tobytes())
        with gzip.open(f"{path}/{name}-labels-idx1-ubyte.gz", "wb") as file:
            file.write(struct.pack(">ii", 0x801, len(labels)) + labels.astype(np.uint8).tobytes())
        np.save(f"{path}/{name}.npy", grey)
        np.save(f"{path}/{name}-labels.npy", labels)


def parquet(path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    feature = {"image": {"_type": "Image"}, "label": {"names": CLASSES, "_type": "ClassLabel"}}
    image_type = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema(
        [("id", pa.list_(pa.float32())), ("image", image_type), ("label", pa.int64())],
        metadata={"huggingface": json.dumps({"info": {"features": feature}})})

    def table(items):
        return pa.table(
            {"id": [[0.5, number] for number in range(len(items))],
             "image": [{"bytes": encoded(image), "path": None} for _, image, _ in items],
             "label": [label for _, _, label in items]}, schema=schema)

    items = list(training())
    test = [(str(number), image, int(label)) for number, (image, label) in enumerate(zip(*draw("test_batch")))]
    forms = [("snappy", "1.0", True), ("snappy", "2.0", False), ("gzip", "1.0", False), ("gzip", "2.0", True),
             ("zstd", "1.0", True), ("zstd", "2.0", False), ("none", "1.0", False), ("none", "2.0", True)]
    for codec, version, has_dictionary in forms:
        inner = f"{path}/{codec}-{version}-{'dictionary' if has_dictionary else 'plain'}/data"
        os.makedirs(inner)
        for name, part in [("train-00000-of-00002", items[:23]), ("train-00001-of-00002", items[23:]),
                           ("test-00000-of-00001", test)]:
            pq.write_table(
                table(part), f"{inner}/{name}.parquet", compression=codec, data_page_version=version,
                use_dictionary=has_dictionary, row_group_size=7, data_page_size=512, write_batch_size=3)
    texts = pa.table(
        {"img": [{"bytes": encoded(image)} if number != 3 else None for number, (_, image, _) in enumerate(items)],
         "kind": [CLASSES[label] if number != 5 else None for number, (_, _, label) in enumerate(items)]})
    pq.write_table(texts, f"{path}/texts.parquet")


def samples(path):
    import webdataset

    for form in ["cls", "json", "text"]:
        os.makedirs(f"{path}/{form}")
        for part, name in enumerate(["data_batch_1", "data_batch_2"]):
            images, labels = draw(name)
            with webdataset.TarWriter(f"{path}/{form}/train-{part:04}.tar") as archive:
                for number, (image, label) in enumerate(zip(images, labels)):
                    fields = {"cls": {"cls": int(label)}, "json": {"json": {"label": int(label), "other": 9}},
                              "text": {"json": {"kind": CLASSES[label]}, "txt": "a picture"}}[form]
                    archive.write({"__key__": f"{number:06}", "png": image, **fields})
                archive.write({"__key__": "without", "txt": "no picture"})

def bands(path):
    """Fields of four channels of 16 bits and maps of eight of 8, as files and as arrays, all with the same values."""
    import tifffile

    generator = np.random.default_rng(5)
    fields = generator.integers(0, 65536, (6, 32, 32, 4), dtype=np.uint16)
    maps = generator.integers(0, 256, (6, 32, 32, 8), dtype=np.uint8)
    wide = generator.integers(0, 65536, (6, 32, 32, 13), dtype=np.uint16)
    save = lambda name, values: np.save(f"{path}/{name}.npy", values)
    for form in ["chunky", "planar", "pages", "mixed", "deep"]:
        os.makedirs(f"{path}/{form}")
    for number, (field, values) in enumerate(zip(fields, maps)):
        planes = np.moveaxis(field, -1, 0).copy()
        name = f"{number:05}"
        options = dict(photometric="minisblack", compression="zlib")
        tifffile.imwrite(f"{path}/chunky/{name}", field, planarconfig="contig", **options)
        tifffile.imwrite(f"{path}/planar/{name}", planes, planarconfig="separate", **options)
        tifffile.imwrite(f"{path}/pages/{name}", planes, byteorder=">", metadata=None, **options)
        tifffile.imwrite(f"{path}/mixed/{name}", values[..., :4 if number == 2 else 8], planarconfig="contig", **options)
        tifffile.imwrite(f"{path}/deep/{name}", field[..., 0])
    save("fields", fields)
    save("fields-big-endian", fields.astype(">u2"))
    save("fields-planar", np.moveaxis(fields, -1, 1).copy())
    save("maps", maps)
    save("wide", wide)
    save("wide-8", (wide >> 8).astype(np.uint8))
    save("grey", fields[..., 0])
    save("signed", fields.astype(np.int16))
    np.savez_compressed(f"{path}/fields.npz", images=fields, labels=np.arange(6))
    for name, values in [("fields", fields), ("maps", maps), ("wide", wide)]:
        values.astype(values.dtype.newbyteorder("<")).tofile(f"{path}/{name}.raw")


if __name__ == "__main__":
    makers = dict(binary=binary, pickles=pickles, cifar100=cifar100, folder=folder, zips=zips, arrays=arrays,
                  mnist=mnist, parquet=parquet, samples=samples, bands=bands)
    for form in sys.argv[2:]:
        os.makedirs(f"{sys.argv[1]}/{form}")
        makers[form](f"{sys.argv[1]}/{form}")
