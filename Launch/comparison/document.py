"""A document as a list of parts, and its forms: Markdown, and one HTML file that needs nothing else."""
import base64
import html
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Heading:
    text: str
    level: int = 2


@dataclass
class Text:
    """A paragraph; `remark` for what the reader must know to read the numbers."""
    text: str
    remark: bool = False


@dataclass
class Bullets:
    items: list[str]


@dataclass
class Table:
    """The first column is text, the others are numbers. `folded`: under a line that opens it, in HTML."""
    head: list[str]
    rows: list[list[str]]
    folded: str = ''


@dataclass
class Picture:
    path: Path
    caption: str


@dataclass
class Charts:
    """Charts as SVG, next to each other; Markdown has their tables only."""
    figures: list[str] = field(default_factory=list)


def markdown(parts):
    return '\n\n'.join(filter(None, map(markdown_part, parts))) + '\n'


def markdown_part(part):
    match part:
        case Heading():
            return f'{"#" * part.level} {part.text}'
        case Text():
            return part.text
        case Bullets():
            return '\n'.join(f'- {item}' for item in part.items)
        case Table():
            lines = [part.head, ['---'] * len(part.head), *part.rows]
            return '\n'.join(f'| {" | ".join(cell.replace("|", "/") for cell in line)} |' for line in lines)
        case Picture():
            return f'![{part.caption}]({part.path.name})\n\n*{part.caption}*'
    return ''


STYLE = """
:root { color-scheme: light; --ground: #fff; --card: #f6f7f9; --ink: #1b1f24; --soft: #57606a;
 --line: #d5dae0; --grid: #e4e7eb;
 --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #a8578a; --c4: #8a6d00; --c5: #5b4bb7; --c6: #c1272d; }
@media screen and (prefers-color-scheme: dark) {
 :root { color-scheme: dark; --ground: #14171b; --card: #1c2026; --ink: #e7eaee; --soft: #a3acb7;
  --line: #3a424c; --grid: #2a3038;
  --c0: #56b4e9; --c1: #f5a14b; --c2: #3fcf9f; --c3: #e3a1c8; --c4: #e5cf4d; --c5: #b3a1ff; --c6: #ff7b72; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.25rem; background: var(--ground); color: var(--ink);
 font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 .6rem; border-bottom: 1px solid var(--line); padding-bottom: .2rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
p { margin: .4rem 0; max-width: 60rem; }
.remark { border-left: 3px solid var(--c1); padding-left: .6rem; color: var(--soft); }
.scroll { overflow-x: auto; }
table { overflow-wrap: normal; border-collapse: collapse; font-size: .87rem;
 font-variant-numeric: tabular-nums; margin: .5rem 0; }
th, td { text-align: right; padding: .25rem .7rem; border-bottom: 1px solid var(--grid); vertical-align: top;
 white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; white-space: normal; min-width: 9rem; }
thead th { color: var(--soft); font-weight: 600; white-space: normal; vertical-align: bottom; }
summary { color: var(--soft); cursor: pointer; font-size: .87rem; margin-top: .4rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr)); gap: 1rem;
 margin: .6rem 0; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem; }
figcaption { font-size: .87rem; color: var(--soft); }
figcaption b { color: var(--ink); }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font-size: 11px; font-variant-numeric: tabular-nums; }
.grid { stroke: var(--grid); fill: none; }
.curve { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.whisker { stroke-width: 1; opacity: .7; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem .9rem; font-size: .8rem; color: var(--soft); }
.legend i { display: inline-block; width: 1.2rem; border-top: 3px solid; vertical-align: middle; margin-right: .3rem; }
img { max-width: 100%; image-rendering: pixelated; background: #fff; }
"""


def page(title, parts):
    body = '\n'.join(map(html_part, parts))
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src \'unsafe-inline\'; '
        'img-src data:">\n'
        f'<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n')


def html_part(part):
    match part:
        case Heading():
            return f'<h{part.level}>{html.escape(part.text)}</h{part.level}>'
        case Text():
            return f'<p{" class=remark" if part.remark else ""}>{html.escape(part.text)}</p>'
        case Bullets():
            return '<ul>' + ''.join(f'<li>{html.escape(item)}</li>' for item in part.items) + '</ul>'
        case Table():
            return table(part)
        case Picture():
            data = base64.b64encode(part.path.read_bytes()).decode()
            caption = html.escape(part.caption)
            return (f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
                    f'<figcaption>{caption}</figcaption></figure>')
        case Charts():
            return f'<div class="charts">{"".join(part.figures)}</div>' if part.figures else ''


def table(part):
    def row(cells, tag):
        return '<tr>' + ''.join(f'<{tag}>{html.escape(cell)}</{tag}>' for cell in cells) + '</tr>'

    rows = ''.join(row(cells, 'td') for cells in part.rows)
    text = f'<div class="scroll"><table><thead>{row(part.head, "th")}</thead><tbody>{rows}</tbody></table></div>'
    return f'<details><summary>{html.escape(part.folded)}</summary>{text}</details>' if part.folded else text
