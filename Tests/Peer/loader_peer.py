"""Loads images with torchvision, as the baseline for `crate bench --loader`.

    python loader_peer.py FOLDER [--repeats 1] [--image-size 224]

FOLDER is <class>/<file>. ImageFolder, RandomResizedCrop (bicubic, scale 0.2 to 1), flip, ToTensor and Normalize in a
DataLoader without workers: one core. The files are read once before, so that they are in the page cache. Prints one JSON
object.
"""
import argparse
import json
import resource
import time

import torch
from torchvision import datasets, transforms
from torchvision.transforms import InterpolationMode


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('folder')
    parser.add_argument('--repeats', type=int, default=1, help='passes over the folder')
    parser.add_argument('--image-size', type=int, default=224)
    parser.add_argument('--batch-size', type=int, default=8)
    options = parser.parse_args()
    torch.set_num_threads(1)
    transform = transforms.Compose([
        transforms.RandomResizedCrop(options.image_size, scale=(0.2, 1), interpolation=InterpolationMode.BICUBIC),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ])
    data = datasets.ImageFolder(options.folder, transform)
    for path, _ in data.samples:
        with open(path, 'rb') as file:
            file.read()
    loader = torch.utils.data.DataLoader(data, options.batch_size, shuffle=True, num_workers=0)
    start, images = time.perf_counter(), 0
    for _ in range(options.repeats):
        for batch, _ in loader:
            images += len(batch)
    seconds = time.perf_counter() - start
    print(json.dumps({
        'images': images, 'images_per_second': images / seconds,
        'peak_memory_bytes': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}))


if __name__ == '__main__':
    main()
