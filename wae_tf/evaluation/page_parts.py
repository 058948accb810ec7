"""Pieces of a self-contained page: its style, pictures, tables and definitions as HTML."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

STYLE = """
:root { --ink: #1c2430; --soft: #5c6878; --line: #dfe4ea; --ground: #f6f7f9; --mark: #1f5fbf; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 2.2rem 1.5rem 4rem; }
h1 { font-size: 1.9rem; margin: 0 0 .2rem; letter-spacing: -.01em; }
h2 { font-size: 1.15rem; margin: 0 0 .8rem; }
.lead { color: var(--soft); margin: 0 0 1.6rem; }
.card { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 1.2rem 1.4rem;
  margin: 0 0 1.2rem; overflow-x: auto; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(160px, 1fr)); gap: .9rem;
  margin: 0 0 1.2rem; }
.tile { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: .8rem 1rem; }
.tile b { display: block; font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: .85rem; line-height: 1.3; display: block; }
table { border-collapse: collapse; width: 100%; font-size: .93rem; }
th, td { text-align: left; padding: .42rem .7rem .42rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { color: var(--soft); font-weight: 600; font-size: .82rem; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
td.w, th.w { padding-left: 1.4rem; white-space: nowrap; color: var(--soft); }
.note, figcaption { color: var(--soft); font-size: .86rem; margin: .6rem 0 0; }
figure { margin: 0; }
img { max-width: 100%; display: block; border-radius: 4px; }
img.pixels { image-rendering: pixelated; }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(420px, 1fr)); gap: 1.2rem; }
.two .card { margin: 0; }
.grid { margin: 0 0 1.2rem; }
code, .hash { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .84rem;
  overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.2rem; margin: 0;
  font-size: .9rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
.flags { columns: 3 260px; font-size: .86rem; margin: 0; padding: 0; list-style: none; }
.flags li { break-inside: avoid; overflow-wrap: anywhere; }
.flags .changed { font-weight: 600; color: var(--mark); }
.missing { border-left: 4px solid #e0a100; }
@media print { body { background: #fff; } .card { break-inside: avoid; } }
"""


def escape(text: object) -> str:
    """Text as HTML."""
    return html.escape(str(text))


def document(title: str, parts: Iterable[str], style: str = "", kind: str = "") -> str:
    """A whole page of parts; `style` comes behind STYLE, `kind` is the class of what holds the parts."""
    main = f'<main class="{kind}">' if kind else "<main>"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}{style}</style></head><body>{main}"
        + "\n".join(parts)
        + "</main></body></html>\n"
    )


def card(heading: str, *parts: str, missing: bool = False) -> str:
    """A framed section, under its heading where it has one; marked where something is missing."""
    top = f"<h2>{escape(heading)}</h2>" if heading else ""
    return f'<section class="card{" missing" * missing}">{top}{"".join(parts)}</section>'


def picture(data: bytes, caption: str, title: str = "", pixels: bool = False) -> str:
    """A card with a PNG, given as bytes."""
    source = base64.b64encode(data).decode("ascii")
    size = Image.open(BytesIO(data)).size
    kind = ' class="pixels"' if pixels else ""
    return card(
        title,
        f'<figure><img{kind} width="{size[0]}" alt="{escape(title)}" '
        f'src="data:image/png;base64,{source}"><figcaption>{escape(caption)}</figcaption></figure>',
    )


def image_of_file(path: Path, title: str) -> str:
    """A PNG file alone; nothing where there is none."""
    if not path.is_file():
        return ""
    source = base64.b64encode(path.read_bytes()).decode("ascii")
    return f'<img class="pixels" alt="{escape(title)}" src="data:image/png;base64,{source}">'


def picture_of_file(path: Path, title: str, caption: str, pixels: bool = True) -> str:
    """`picture` of a file; nothing where there is none, and a line on one that is no picture."""
    if not path.is_file():
        return ""
    try:
        return picture(path.read_bytes(), caption, title, pixels)
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError):
        return card("", f"<p>{escape(path.name)} is no whole PNG.</p>", missing=True)


def table(head: Sequence[str], rows: Iterable[Sequence[str | None]], numbers: Sequence[int]) -> str:
    """A table; columns in `numbers` are set to the right."""

    def cell(tag: str, i: int, text: str | None) -> str:
        kind = ' class="n"' if i in numbers else ' class="w"' if i else ""
        return f"<{tag}{kind}>{escape('' if text is None else text)}</{tag}>"

    top = "".join(cell("th", i, text) for i, text in enumerate(head))
    body = "".join(
        "<tr>" + "".join(cell("td", i, text) for i, text in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def definitions(pairs: Iterable[tuple[str, str]]) -> str:
    """Terms and what they are."""
    return "<dl>" + "".join(f"<dt>{escape(a)}</dt><dd>{escape(b)}</dd>" for a, b in pairs) + "</dl>"
