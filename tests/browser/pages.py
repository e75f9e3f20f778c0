"""Pages on disk and in the browser, as the tests hold them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from bayesrtw.analysis.run import Synthesis
from bayesrtw.report.record import record
from bayesrtw.report.render import page as page_of


@dataclass
class Visit:
    """A page in the browser, with everything that it asked for and said."""

    page: Page
    requests: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


@dataclass
class Made:
    """A report on disk, with what it was made of."""

    synthesis: Synthesis
    content: dict[str, Any]
    text: str
    path: Path


def made(synthesis: Synthesis, folder: Path) -> Made:
    content = record(synthesis)
    text = page_of(synthesis, content)
    path = folder / "report.html"
    path.write_text(text, encoding="utf-8")
    return Made(synthesis, content, text, path)
