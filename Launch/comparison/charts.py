"""Line charts as SVG: a few series over layers or steps, with the interval of each point."""
import html
import math
from dataclasses import dataclass

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 520, 260, 50, 20, 10, 34


@dataclass(frozen=True)
class Series:
    """Points (x, y, half of the interval or None). `colour`: an index of the page's colours."""
    name: str
    colour: int
    points: list
    dashed: bool = False


def ticks(low, high, count=5):
    """Round numbers from `low` to `high`."""
    if high <= low:
        high = low + (abs(low) or 1)
    step = 10**math.floor(math.log10((high - low) / count))
    step = min((step * factor for factor in (1, 2, 5, 10)), key=lambda step: abs((high - low) / step - count))
    first = math.floor(low / step)
    return [number * step for number in range(first, math.ceil(high / step) + 1)]


def tick_text(value, step):
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return f'{value:.{min(digits, 6)}f}'


def chart(title, series, x_title, y_title, x_labels=None, note=''):
    """A figure; `x_labels`: the names of the positions 0, 1, ..., instead of numbers. Empty without points."""
    series = [one for one in series if one.points]
    if not series:
        return ''
    xs = [x for one in series for x, _, _ in one.points]
    marks = ticks(*extent(series))
    places = list(range(len(x_labels))) if x_labels else ticks(min(xs), max(xs))
    across, up = axis(places[0], places[-1], LEFT, WIDTH - RIGHT), axis(marks[0], marks[-1], HEIGHT - BOTTOM, TOP)
    parts = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(mark):.1f}" y2="{up(mark):.1f}"/>'
        f'<text x="{LEFT - 6}" y="{up(mark) + 4:.1f}" text-anchor="end">{tick_text(mark, marks[1] - marks[0])}</text>'
        for mark in marks
    ]
    for place in places:
        text = x_labels[place] if x_labels else tick_text(place, places[1] - places[0])
        parts.append(
            f'<text x="{across(place):.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{html.escape(text)}</text>')
    parts.append(
        f'<text x="{(LEFT + WIDTH) / 2:.0f}" y="{HEIGHT - 4}" text-anchor="middle">{html.escape(x_title)}</text>')
    # Whiskers may be longer than the plot is high.
    parts += [
        f'<svg x="0" y="{TOP - 4}" width="{WIDTH}" height="{HEIGHT - BOTTOM - TOP + 8}" '
        f'viewBox="0 {TOP - 4} {WIDTH} {HEIGHT - BOTTOM - TOP + 8}">',
        *(curve(one, across, up, x_labels, x_title) for one in series), '</svg>'
    ]
    legend = ''.join(
        f'<span><i '
        f'style="border-color:var(--c{one.colour});border-top-style:{"dashed" if one.dashed else "solid"}"></i>'
        f'{html.escape(one.name)}</span>' for one in series)
    return (f'<figure><figcaption><b>{html.escape(title)}</b>, {html.escape(y_title)}{html.escape(note)}</figcaption>'
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}">{"".join(parts)}</svg>'
            f'<div class="legend">{legend}</div></figure>')


def extent(series):
    """The range of values with their intervals, of which no more is shown than the values themselves span, above and
    below."""
    values = [y for one in series for _, y, _ in one.points]
    low, high = min(values), max(values)
    most = (high - low) or abs(high) / 10
    halves = [min(half or 0, most) for one in series for _, _, half in one.points]
    return (min(y - half for y, half in zip(values, halves)), max(y + half for y, half in zip(values, halves)))


def axis(low, high, start, end):
    extent = (high - low) or 1
    return lambda value: start + (value - low) / extent * (end - start)


def curve(one, across, up, x_labels, x_title):
    colour = f'var(--c{one.colour})'
    points = ' '.join(f'{across(x):.1f},{up(y):.1f}' for x, y, _ in one.points)
    dashes = ' stroke-dasharray="5 4"' if one.dashed else ''
    parts = [f'<polyline class="curve" stroke="{colour}" points="{points}"{dashes}/>']
    for x, y, half in one.points:
        if half:
            parts.append(f'<line class="whisker" stroke="{colour}" x1="{across(x):.1f}" x2="{across(x):.1f}" '
                         f'y1="{up(y - half):.1f}" y2="{up(y + half):.1f}"/>')
        name = x_labels[x] if x_labels else f'{x:g}'
        label = f'{one.name}, {x_title} {name}: {y:.4g}{f" ± {half:.2g}" if half else ""}'
        parts.append(
            f'<circle cx="{across(x):.1f}" cy="{up(y):.1f}" r="3" '
            f'fill="{colour}"><title>{html.escape(label)}</title></circle>'
        )
    return ''.join(parts)
