"""Layer metrics of a CRATE-MAE in numpy and float64, from their formulas, as the reference for `crate analyze`.

python Tests/Peer/measures.py MODEL PATCHES MASKS

MODEL: a model.safetensors with its configuration in the metadata. PATCHES: N L V raw floats, normalised.
MASKS: N L bytes, 1 for masked patches. Prints the metrics of encoder and decoder in the format of `crate analyze --json`.

N images, L patches, T = L + 1 tokens, D channels, H heads, P = D / H.
"""
import json
import sys

import numpy as np
from safetensors import safe_open


def layer_norm(x, weight, bias, epsilon):
    mean = x.mean(-1, keepdims=True)
    return (x - mean) / np.sqrt(x.var(-1, keepdims=True) + epsilon) * weight + bias


def positions(dim, side):
    """(T, D): zeros for the class token; sines and cosines of the column in the first half, of the row in the second."""
    frequency = 10000.0 ** (-np.arange(dim // 4) / (dim / 4))
    row, column = np.divmod(np.arange(side * side), side)
    parts = [f(np.outer(at, frequency)) for at in (column, row) for f in (np.sin, np.cos)]
    return np.concatenate([np.zeros((1, dim)), np.concatenate(parts, 1)])


class Model:
    def __init__(self, path):
        with safe_open(path, 'numpy') as file:
            self.tensors = {name: file.get_tensor(name).astype(np.float64) for name in file.keys()}
            self.config = json.loads(file.metadata()['config'])
        self.heads = self.config['heads']

    def norm(self, x, name, epsilon=1e-5):
        return layer_norm(x, self.tensors[f'{name}.weight'], self.tensors[f'{name}.bias'], epsilon)

    def embed(self, patches, masks):
        weight = self.tensors['patch_embed.proj.weight']  # (D, channel, row, column); patches are (row, column, channel)
        weight = weight.transpose(0, 2, 3, 1).reshape(len(weight), -1)
        x = patches @ weight.T + self.tensors['patch_embed.proj.bias']
        x = np.where(masks[..., None] == 1, self.tensors['mask_token'], x)
        first = np.broadcast_to(self.tensors['cls_token'], (len(x), 1, x.shape[-1]))
        side = self.config['imageSize'] // self.config['patchSize']
        return np.concatenate([first, x], 1) + positions(x.shape[-1], side)

    def split(self, u):
        return u.reshape(*u.shape[:2], self.heads, -1).transpose(0, 2, 1, 3)  # (N, H, T, P)

    def mssa(self, x, name):
        """MSSA(LN x), its U (N, H, T, P) and its attention (N, H, T, T)."""
        u = self.split(self.norm(x, f'{name}.norm') @ self.tensors[f'{name}.fn.qkv.weight'].T)
        scores = u @ u.transpose(0, 1, 3, 2) / np.sqrt(u.shape[-1])
        attention = np.exp(scores - scores.max(-1, keepdims=True))
        attention /= attention.sum(-1, keepdims=True)
        out = (attention @ u).transpose(0, 2, 1, 3).reshape(x.shape)
        if f'{name}.fn.to_out.0.weight' in self.tensors:
            out = out @ self.tensors[f'{name}.fn.to_out.0.weight'].T + self.tensors[f'{name}.fn.to_out.0.bias']
        return out, u, attention


def coding_rate(u):
    z = u / np.linalg.norm(u, axis=-1, keepdims=True)
    tokens, head_dim = u.shape[-2:]
    gram = np.eye(tokens) + head_dim / (tokens * 0.01) * z @ z.transpose(0, 1, 3, 2)
    return np.linalg.slogdet(gram)[1].sum(-1) / 2


def relative(a, b):
    return np.linalg.norm((a - b).reshape(len(a), -1), axis=1) / np.linalg.norm(b.reshape(len(b), -1), axis=1)


def spread(values, ddof=0):
    return {'mean': values.mean(), 'std': values.std(ddof=ddof)}


def overlap(weight, heads):
    bases = [np.linalg.qr(part.T)[0] for part in np.split(weight, heads)]
    pairs = [np.linalg.norm(a.T @ b) ** 2 / a.shape[1] for a in bases for b in bases if a is not b]
    return np.mean(pairs) if pairs else 0.0


def main():
    model = Model(sys.argv[1])
    config, tensors = model.config, model.tensors
    patch_count = (config['imageSize'] // config['patchSize']) ** 2
    patches = np.fromfile(sys.argv[2], np.float32).astype(np.float64).reshape(-1, patch_count, config['patchSize'] ** 2 * 3)
    masks = np.fromfile(sys.argv[3], np.uint8).reshape(-1, patch_count)
    z, inputs, encoder, decoder = model.embed(patches, masks), [], [], []
    for block in range(config['depth']):
        name = f'blocks.{block}.layers.0'
        subspaces, dictionary = tensors[f'{name}.0.fn.qkv.weight'], tensors[f'{name}.1.fn.weight']
        inputs.append(z)
        out, u, attention = model.mssa(z, f'{name}.0')
        h = z + out
        after = model.split(model.norm(h, f'{name}.0.norm') @ subspaces.T)
        x = model.norm(h, f'{name}.1.norm')
        z = np.maximum(x + 0.1 * (x - x @ dictionary.T) @ dictionary - 0.1 * config['lambda'], 0)
        entropy = -(attention * np.log(np.maximum(attention, 1e-300))).sum(-1)
        encoder.append({
            'coding_rate': spread(coding_rate(u), 1), 'coding_rate_after': spread(coding_rate(after), 1),
            'sparsity_before': spread((x <= 0).mean((1, 2))), 'sparsity': spread((z == 0).mean((1, 2))),
            'ista_step': spread(relative(z, x)), 'attention_entropy': spread(entropy.mean((1, 2))),
            'class_attention_entropy': spread(entropy[:, :, 0].mean(1)),
            'dictionary_coherence': np.linalg.norm(dictionary.T @ dictionary - np.eye(len(dictionary))) / np.sqrt(len(dictionary)),
            'subspace_overlap': overlap(subspaces, config['heads']),
        })
    z = model.norm(z, 'norm', 1e-6)
    for block in range(config['decoderDepth']):
        name = f'decoder_blocks.{block}.layers.0'
        h = model.norm(z, f'{name}.0.norm') @ tensors[f'{name}.0.fn.weight'].T
        z = h - model.mssa(h, f'{name}.1')[0]
        if block < len(inputs):
            decoder.append({'discrepancy': spread(relative(z, inputs[-1 - block]))})
    print(json.dumps({'images': len(patches), 'encoder': encoder, 'decoder': decoder}))


if __name__ == '__main__':
    main()
