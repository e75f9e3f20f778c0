"""Draw the layers that import-linter holds the code to, from its configuration."""

import tomllib
from pathlib import Path
from xml.sax.saxutils import escape

#: Width of the drawing, height of a layer and the gap below it, in pixels.
WIDTH, HEIGHT, GAP = 460, 30, 8


def layers(settings: Path) -> list[list[str]]:
    """Read the layers from the top; modules of one layer do not import each other."""
    table = tomllib.loads(settings.read_text(encoding="utf-8"))
    rows = table["tool"]["importlinter"]["contracts"][0]["layers"]
    return [[name.strip().removeprefix("bayesrtw.") for name in row.split("|")] for row in rows]


def draw(rows: list[list[str]]) -> str:
    """Give an SVG: a row a layer, and one arrow for the direction of imports."""
    high = len(rows) * (HEIGHT + GAP) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {high}" width="{WIDTH}" '
        f'height="{high}" font-family="ui-monospace, DejaVu Sans Mono, monospace" font-size="13">',
        f'<path d="M28 {GAP + 6} V{high - 20} M22 {high - 28} l6 8 l6 -8" fill="none" '
        'stroke="#1a1a1a" stroke-width="1.5"/>',
        f'<text x="14" y="{high / 2}" transform="rotate(-90 14 {high / 2})" text-anchor="middle" '
        'font-size="12">imports</text>',
    ]
    left = 52
    for down, row in enumerate(rows):
        top = GAP + down * (HEIGHT + GAP)
        wide = (WIDTH - left - GAP * len(row)) / len(row)
        for across, name in enumerate(row):
            start = left + across * (wide + GAP)
            parts.append(
                f'<rect x="{start:g}" y="{top}" width="{wide:g}" height="{HEIGHT}" rx="4" '
                'fill="#e8f1f8" stroke="#0072b2"/>'
                f'<text x="{start + wide / 2:g}" y="{top + 20}" text-anchor="middle">'
                f"{escape(name)}</text>"
            )
    return "\n".join([*parts, "</svg>"]) + "\n"
