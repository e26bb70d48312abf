"""Compares the errors of the golden cases on an emulated processor with those on this machine.

    judge.py MODE HERE THERE

MODE is the emulated processor and its kernels, avx512_bf16 or amx; HERE and THERE are files of results.
Exits with 1 if errors differ by more than 5%, a case is missing, other kernels were used, a test failed, or the memory growth differs
by more than 5% from the plan. Errors are not equal, because the order of sums differs.
"""
import json
import re
import sys

JUDGED = re.compile(r'(output\.(?:pred|logits|loss)|grad \(all\)) +\d+ +(\S+)')
SUITES = ('KernelsTests', 'CrateModelTests')


def lines(path):
    return open(path, errors='replace').read().replace('\r', '').splitlines()


def errors(path):
    case, found = None, {}
    for line in lines(path):
        if line.startswith('case '):
            case = ' '.join(line.split()[1:3])
        elif match := JUDGED.match(line):
            found[case, match[1]] = float(match[2])
    return found


def growth(path):
    """The extra memory of a step with more images: measured, and planned without a checkpoint."""
    texts, name = {}, None
    for line in lines(path):
        if line.startswith('json '):
            name = line[5:] if line != 'json ends' else None
        elif name:
            texts[name] = texts.get(name, '') + line + '\n'
    measured, planned = [], []
    for name, text in texts.items():
        values = json.loads(text[text.index('{'):])  # a warning may come first
        if name.startswith('measured'):
            measured.append(values['peak_memory_bytes'])
        else:
            planned.append(sum(count for kind, count in values['memory_bytes'].items() if kind != 'checkpoint'))
    return measured[1] - measured[0], planned[1] - planned[0]


def main():
    mode, here, there = sys.argv[1:]
    expected, seen = errors(here), errors(there)
    is_right = bool(expected) and expected.keys() == seen.keys()
    print(f'{"case":19} {"kind":13} {"here":>9} {mode:>12}')
    for key, error in expected.items():
        other = seen.get(key, float('nan'))
        is_near = abs(error - other) <= 0.05 * error + 1e-5
        is_right = is_right and is_near
        print(f'{key[0]:19} {key[1]:13} {error:9.2e} {other:12.2e}{"" if is_near else "  differs"}')
    products = sorted(set(re.findall(r'products by (\S+)', open(there, errors='replace').read())))
    print('products by', ', '.join(products))
    is_right = is_right and products == [mode]
    measured, planned = growth(there)
    print(f'memory grows by {measured / 2**20:.1f} MiB, planned {planned / 2**20:.1f}')
    is_right = is_right and abs(measured / planned - 1) < 0.05
    for suite in SUITES:
        index = next((i for i, line in enumerate(lines(there)) if line.startswith(f'suite {suite} ended ')), None)
        is_right = is_right and index is not None and lines(there)[index].endswith(' 0')
        print('\n'.join(lines(there)[index:index + 2]) if index is not None else f'suite {suite} is missing')
    sys.exit(None if is_right else f'judge.py: error: the results on {mode} differ from those on this machine')


main()
