"""What the numbers say, in sentences. A difference is only claimed if its interval excludes 0."""
import statistics

from intervals import difference
from sizes import SAME_SHAPE, TITLES


def number(value, metric, signed=False):
    return f'{value:{"+" if signed else ""}.{metric.digits}f}'


def difference_text(found, metric, has_unit=True):
    """`+3.2 (1.1 to 5.3) points`."""
    if found is None:
        return 'missing'
    unit = f' {metric.unit}' if metric.unit and has_unit else ''
    if found.half is None:
        return f'{number(found.mean, metric, True)}{unit} (one seed)'
    return f'{number(found.mean, metric, True)} ({number(found.low, metric)} to {number(found.high, metric)}){unit}'


def verdict(found, metric):
    """Whether the model that was subtracted from is ahead: 'ahead', 'behind', or 'no difference shown'."""
    if found is None:
        return 'missing'
    if found.half is None:
        return 'one seed: nothing is claimed'
    if not found.excludes_zero:
        return 'no difference shown'
    return 'ahead' if (found.mean > 0) == (metric.better == 'high') else 'behind'


def comparisons(results, model):
    """Sentences about a model and CRATE-MAE: one for each difference that is shown, and one for all others."""
    name, sentences, open_ones = TITLES[model], [], []
    for metric in results.metrics:
        found = results.difference(metric.key, model)
        judged, values = verdict(found, metric), difference_text(found, metric)
        if judged == 'ahead':
            sentences.append(f'{metric.title}: {name} is ahead of CRATE-MAE by {amount(found, metric)}.')
        elif judged == 'behind':
            sentences.append(f'{metric.title}: CRATE-MAE is ahead of {name} by {amount(found, metric)}.')
        elif found:
            open_ones.append(f'{metric.title} {values}')
    if open_ones:
        reason = 'Not judged, as there is one seed' if results.options.seeds == 1 else 'No difference is shown'
        sentences.append(f'{reason} ({name} minus CRATE-MAE): {"; ".join(open_ones)}.')
    return sentences


def amount(found, metric):
    """The size of a difference: `3.2 (1.1 to 5.3) points`."""
    low, high = sorted((abs(found.low), abs(found.high)))
    unit = f' {metric.unit}' if metric.unit else ''
    return f'{number(abs(found.mean), metric)} ({number(low, metric)} to {number(high, metric)}){unit}'


def spread(ratios):
    return f'{min(ratios):.2f} to {max(ratios):.2f} in {len(ratios)} pair{"s" if len(ratios) > 1 else ""}'


def costs(results, model):
    """Parameters, operations and time of a model over those of CRATE-MAE."""
    ratios = results.time_ratios(model)
    if not ratios:
        return None
    name = TITLES[model]
    text = (
        f'{name} has {results.parameters(model) / results.parameters("crate"):.2f} times the parameters of CRATE-MAE, '
        f'{results.gflop(model) / results.gflop("crate"):.2f} times the operations an image, and takes '
        f'{statistics.median(ratios):.2f} times the seconds an image ({spread(ratios)}).')
    if model in SAME_SHAPE:
        seconds = [[results.store.value(f'seed-{seed}/{one}/pretrain') for seed in results.seeds]
                   for one in (model, 'crate')]
        own, base = (sum(value['seconds'] for value in values if value) for values in seconds)
        if all(all(values) for values in seconds):
            text += f' Its training runs took {own / base:.2f} times the seconds of those of CRATE-MAE.'
    return text


def changes(results, model, name):
    """Blocks in which attention lowers and raises the coding rate, and all blocks; None if results are missing. With
    several seeds, those in which the interval of the difference excludes 0; with one, all in which there is a
    difference."""
    before, after = (results.encoder(model, key, name) for key in ('coding_rate', 'coding_rate_after'))
    found = [difference(after[block], before[block]) for block in sorted(before.keys() & after.keys())]
    shown = [one.mean for one in found if one and (one.half is None or one.excludes_zero)]
    return found and (sum(mean < 0 for mean in shown), sum(mean > 0 for mean in shown), len(found))


def compression(results, model):
    """In how many blocks attention compresses, after training and before."""
    texts = []
    for name, when in (('measures', 'after training'), ('initial', 'with initial weights')):
        found = changes(results, model, name)
        if found:
            lower, higher, count = found
            rest = f', no difference shown in {count - lower - higher}' if lower + higher < count else ''
            texts.append(f'{when} in {lower} of {count} blocks (higher in {higher}{rest})')
    return f'{TITLES[model]}: attention lowers the coding rate {"; ".join(texts)}.' if texts else None


def sparsity(results, model):
    """The fraction of zeros in the first and the last block, before and after training."""
    trained, initial = results.encoder(model, 'sparsity'), results.encoder(model, 'sparsity', 'initial')
    if not trained:
        return None
    first, last, mean = min(trained), max(trained), statistics.fmean
    text = f'{TITLES[model]}: the fraction of zeros is {mean(trained[first].values()):.2f} in block {first} and ' \
           f'{mean(trained[last].values()):.2f} in block {last} after training'
    if initial:
        text += f', {mean(initial[first].values()):.2f} and {mean(initial[last].values()):.2f} with initial weights'
    return text + '.'


def emergence(results, model):
    """Whether attention covers objects: beside initial weights, and beside patches next to the centre."""
    metric, trained = results.metric('emergence'), results.emergence(model)
    if not trained:
        return None
    texts = [f'{TITLES[model]}: the best head covers objects with an IoU of {statistics.fmean(trained.values()):.1f}%']
    for other, label in ((results.emergence(model, 'initial'), 'initial weights'), (results.emergence(model,
                                                                                                      which='blob'),
                                                                                    'the central blob')):
        found = difference(trained, other)
        if found:
            judged = {
                'ahead': 'above',
                'behind': 'below'
            }.get(verdict(found, metric),
                  verdict(found, metric) + ' beside')
            texts.append(f'{judged} {label}: {difference_text(found, metric)}')
    return '; '.join(texts) + '.'


def token_statistics(results):
    """ToST beside CRATE with more tokens."""
    pairs, sentences = results.token_pairs(), []
    size = results.options.tokens_size
    count = (size // results.options.patch_size)**2 + 1
    if pairs:
        ratios = [
            pair['tost']['images_per_second']['median'] / pair['crate']['images_per_second']['median'] for pair in pairs
        ]
        memory = [statistics.median(pair[name]['peak_memory_bytes'] for pair in pairs) for name in ('tost', 'crate')]
        sentences.append(
            f'With {count} tokens, ToST trains {statistics.median(ratios):.2f} times as many images a second as '
            f'CRATE-MAE ({spread(ratios)}), with {memory[0] / memory[1]:.2f} times its memory.')
    speeds = results.time_ratios('tost')
    if speeds:
        inverse = sorted(1 / ratio for ratio in speeds)
        sentences.append(
            f'With {results.shapes["crate"].tokens} tokens it is {statistics.median(inverse):.2f} times as many '
            f'({inverse[0]:.2f} to {inverse[-1]:.2f}).')
    found = difference(results.tokens('tost'), results.tokens('crate'))
    if found:
        metric = results.metric('loss')
        judged = {
            'ahead': 'ToST is ahead',
            'behind': 'CRATE-MAE is ahead'
        }.get(verdict(found, metric), verdict(found, metric))
        sentences.append(f'Validation loss with {count} tokens after the same steps: {judged}; ToST minus CRATE-MAE is '
                         f'{difference_text(found, metric)}.')
    return sentences
