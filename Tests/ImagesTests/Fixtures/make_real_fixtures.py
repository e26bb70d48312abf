"""Creates real.json: results of Pillow and torchvision on real photographs, without the photographs.

    CRATE_DATA=DIR python3 make_real_fixtures.py        needs Pillow and torchvision; DIR contains imagenet-sample

`decoded`: path, width, height and CRC-32 of the pixels (row, column, channel) of Pillow's convert("RGB").
`crops`: path, box (left, top, width, height) and the result of RandomResizedCrop for that box at 224 pixels, bicubic and
antialiased, for a Pillow image (`pillow`) and a uint8 tensor (`tensor`). `centre`: Resize(256), CenterCrop(224) of a Pillow
image. Each result keeps every 14th row and column, starting at 7: 16 x 16 pixels in Base64.
"""

import base64
import json
import os
import random
import zlib
from pathlib import Path

from PIL import Image
from torchvision.transforms import InterpolationMode, RandomResizedCrop
from torchvision.transforms import functional as F

ROOT = Path(os.environ["CRATE_DATA"]) / "imagenet-sample"
BICUBIC = InterpolationMode.BICUBIC


def opened(path):
    return Image.open(ROOT / path).convert("RGB")


def kept(image):
    tensor = F.pil_to_tensor(image) if isinstance(image, Image.Image) else image
    values = tensor[:, 7::14, 7::14].permute(1, 2, 0).contiguous()
    assert values.shape == (16, 16, 3)
    return base64.b64encode(values.numpy().tobytes()).decode()


paths = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("*/*/*.JPEG"))
random.seed(1)
decoded, crops, centre = [], [], []
for path in paths[::7]:
    image = opened(path)
    decoded.append([path, image.width, image.height, zlib.crc32(image.tobytes())])
for path in paths[3::45]:
    image = opened(path)
    tensor = F.pil_to_tensor(image)
    top, left, height, width = RandomResizedCrop.get_params(tensor, (0.2, 1), (3 / 4, 4 / 3))
    box = top, left, height, width
    crops.append({
        "path": path, "box": [left, top, width, height],
        "pillow": kept(F.resized_crop(image, *box, (224, 224), BICUBIC)),
        "tensor": kept(F.resized_crop(tensor, *box, (224, 224), BICUBIC, antialias=True))})
    centre.append({"path": path, "pillow": kept(F.center_crop(F.resize(image, 256, BICUBIC), 224))})
text = json.dumps({"decoded": decoded, "crops": crops, "centre": centre}, indent=0)
(Path(__file__).parent / "real.json").write_text(text + "\n")
