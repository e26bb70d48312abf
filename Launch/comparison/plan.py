"""The plan as text: what is compared, what is done, and how long it takes."""
import budget
from sizes import TITLES


def plan_text(options, results, found, extension):
    """What is compared, what is done, and how long it takes."""
    steps, store, kinds = results.plan['steps'], results.store, {}
    for item in found:
        kinds.setdefault(item.kind, []).append(item)
    lines = [f'{"model":28}{"shape":36}{"parameters":>12}{"GFLOP":>8}{"images/s":>10}{"steps":>8}{"expected":>10}']
    for model in options.models:
        count = steps['time' if model == 'vit-time' else 'table']
        own = sum(item.seconds for item in found if model in item.name.split('/'))
        shape = results.shapes[model].text()
        lines.append(
            f'{TITLES[model]:28}{shape:36}{results.parameters(model):12}{results.gflop(model):8.3f}'
            f'{results.speed(model):10.1f}{count:8}{budget.duration(own):>10}')
    finetune = ', '.join(f'{steps["finetune"][str(percent)]} on {percent}% of the labels'
                         for percent in sorted(options.percents, reverse=True))
    lines += [
        '',
        f'steps of {options.batch_size} images: search {steps["search"]}; fine-tuning {finetune}; more tokens '
        f'{steps["tokens"]}',
        '', f'{"work":52}{"results":>8}{"done":>6}{"expected":>10}'
    ]
    for kind, group in kinds.items():
        done = sum(store.get(item.name) is not None for item in group)
        lines.append(f'{kind:52}{len(group):8}{done:6}{budget.duration(sum(item.seconds for item in group)):>10}')
    if extension:
        lines.append(f'{"one more learning rate, if the best is at an edge":66}{budget.duration(extension):>10}')
    left = [item.seconds for item in found if not store.get(item.name)]
    lines += [
        f'{"everything":66}{budget.duration(extension + sum(item.seconds for item in found)):>10}',
        f'{"still to do":66}{budget.duration(extension + sum(left)):>10}', ''
    ]
    return '\n'.join(lines)
