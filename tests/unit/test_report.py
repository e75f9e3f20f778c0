"""Reports as bytes: numbers against the record, hostile words, and the same file twice."""

import io
import json
import math
import re
import zipfile
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from docx import Document
from docx.table import Table as WordTable
from scipy.optimize import brentq
from scipy.special import ndtr
from small_synthesis import small_synthesis

import bayesrtw as brw
from bayesrtw.analysis.run import Synthesis, run
from bayesrtw.analysis.spec import Estimand
from bayesrtw.errors import Faults, SpecError
from bayesrtw.evidence.cells import read_table
from bayesrtw.report.document import as_json
from bayesrtw.report.folder import write_index, write_results
from bayesrtw.report.numbers import clean, resolve
from bayesrtw.report.record import record
from bayesrtw.report.render import files, page, render

#: Namespace of pictures in Word.
DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing"

HOSTILE = (
    "<script>alert(1)</script>",
    "\" onmouseover='alert(2)'",
    "javascript:alert(3)//",
    "\u202eevil\u202c <b>",
    "=cmd|'/C calc'!A0",
    "</bdi></td></table><img src=x onerror=alert(4)>",
)


@pytest.fixture(scope="module")
def hostile() -> tuple[Synthesis, dict[str, Any]]:
    made = small_synthesis(
        HOSTILE,
        note=list(HOSTILE),
        locator=[f"{text} doi 10.1000/ab<script>" for text in HOSTILE],
        design=["rct"] * 6,
        trial_family=[HOSTILE[0]] * 2 + list("abcd"),
    )
    return made, record(made)


class _Reader(HTMLParser):
    """Reads what a browser would: elements with their attributes, and the text of numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.numbers: list[tuple[dict[str, str], str]] = []
        self._open: dict[str, str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.append((tag, found))
        self._open = found if tag == "data" and "data-path" in found else None

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            self.numbers.append((self._open, data))
            self._open = None


def _read(text: str) -> _Reader:
    reader = _Reader()
    reader.feed(text)
    return reader


def same_number(shown: str, value: float | None, style: str, *, log: bool) -> bool:
    """Whether printed digits are a rounding of a value, by a rule of this test's own."""
    if value is None or shown == "–":
        return value is None and shown == "–"
    if style == "analysis" and log:
        value = math.exp(value)
    bound = re.fullmatch(r"([<>])(\d+(?:\.\d+)?)", shown)
    if bound:
        limit = float(bound.group(2))
        return value < limit if bound.group(1) == "<" else value > limit
    text = shown.replace("−", "-").replace(",", "").lstrip("+×")
    scaled = 100 * value if style == "percent" else value
    if style in ("plain", "se", "error"):
        return math.isclose(float(text), scaled, rel_tol=0.5 if style == "error" else 5e-3)
    places = len(text.partition(".")[2])
    return abs(float(text) - scaled) <= 0.5 * 10**-places * (1 + 1e-9)


@pytest.mark.parametrize("which", ["plain", "both_designs"])
def test_every_number_on_the_page_is_the_one_in_the_document(
    which: str, request: pytest.FixtureRequest
) -> None:
    made, content = request.getfixturevalue(which)
    written = json.loads(as_json(content))
    numbers = _read(page(made, content)).numbers
    assert len(numbers) > 120
    for attributes, shown in numbers:
        value = resolve(written, attributes["data-path"])
        assert same_number(shown, value, attributes["data-style"], log=True), (attributes, shown)
        if value is not None:
            assert float(attributes["value"]) == value
    paths = [attributes["data-path"] for attributes, _ in numbers]
    for wanted in ("/estimates/mu/probability", "/estimates/theta_new/back_transformed/lower"):
        assert wanted in paths
    if which == "both_designs":
        for wanted in (
            "/ladder/rungs/0/back_transformed/lower",
            "/ladder/tipping/0/now",
            "/ladder/contributions/cohort/weight",
            "/ladder/conflict/p",
        ):
            assert wanted in paths


def test_pictures_stand_in_their_sections_with_words_and_ids_of_their_own(
    both_designs: tuple[Synthesis, dict[str, Any]],
) -> None:
    made, content = both_designs
    text = page(made, content)
    pictures = {"forest": "pictures", "prior-posterior": "pictures", "new-setting": "pictures"}
    pictures |= {"ladder": "ladder", "tipping-bias": "ladder", "tipping-share": "ladder"}
    pictures |= {"specification-curve": "sensitivity", "leave-one-out": "sensitivity"}
    pictures |= {"prior-panel": "sensitivity"}
    tags = _read(text).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    found, section = {}, ""
    for tag, attributes in tags:
        section = attributes["id"] if tag == "section" else section
        if tag == "svg" and attributes.get("aria-describedby"):
            found[attributes["aria-describedby"].removesuffix("-desc")] = section
    assert found == pictures
    for name in pictures:
        described = re.search(f'<desc id="{name}-desc">([^<]*)</desc>', text)
        assert described is not None
        assert len(described.group(1)) > 60, name


def test_the_ladder_says_which_rung_decides_and_everything_it_found(
    both_designs: tuple[Synthesis, dict[str, Any]],
) -> None:
    made, content = both_designs
    text = page(made, content)
    part = text[text.index('<section id="ladder"') : text.index('<section id="sensitivity"')]
    words = re.sub(r"<[^>]*>", "", part[part.rindex("</svg>") :]) + part[: part.index("<svg")]
    for rung in content["ladder"]["rungs"]:
        assert rung["meaning"] in words
    assert part.count("(decides)") == 1
    for finding in content["ladder"]["findings"]:
        assert finding["message"] in words


def test_pictures_of_a_word_report_stand_in_their_sections_with_words(
    both_designs: tuple[Synthesis, dict[str, Any]],
) -> None:
    made, content = both_designs
    report, supplement = _paper(made, content)
    found: dict[str, list[str]] = {}
    title = ""
    parts = [each for raw in (report, supplement) for each in _inner(raw)]
    for part in parts:
        if isinstance(part, WordTable):
            continue
        if part.style is not None and part.style.name == "Heading 2":
            title = part.text
        for picture in part._p.iter(f"{{{DRAWING}}}docPr"):
            found.setdefault(title, []).append(str(picture.get("descr")))
    assert {name: len(each) for name, each in found.items()} == {
        "Pictures": 3,
        "Bias ladder": 3,
        "Sensitivity": 3,
    }
    assert all(len(words) > 60 for each in found.values() for words in each)


def _paper(made: Synthesis, content: dict[str, Any]) -> list[bytes]:
    """Give the report as Word has it, and its supplement."""
    found = files(made, content, "docx", "r")
    assert list(found) == ["r.docx", "r-supplement.docx"]
    return list(found.values())


def _inner(raw: bytes) -> list[Any]:
    return list(Document(io.BytesIO(raw)).iter_inner_content())


class _Sections(HTMLParser):
    """Reads headings, tables and lists of every section, as words; pictures are passed over."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[list[str]]] = {}
        self._title: str | None = None
        self._row: list[str] | None = None
        self._open: str | None = None
        self._skip = 0

    def handle_starttag(self, tag: str, _: list[tuple[str, str | None]]) -> None:
        if tag in ("svg", "caption"):
            self._skip += 1
        if tag == "tr":
            self._row = []
        if tag in ("h2", "td", "th", "li", "dt", "dd"):
            self._open = ""

    def handle_endtag(self, tag: str) -> None:
        if tag in ("svg", "caption"):
            self._skip -= 1
        text = " ".join((self._open or "").split())
        if tag == "h2":
            self._title = text
            self.found[text] = []
        elif tag in ("td", "th") and self._row is not None:
            self._row.append(text)
        elif tag == "tr" and self._title:
            self.found[self._title].append(self._row or [])
        elif tag in ("li", "dd") and self._title:
            self.found[self._title].append([text])
        if tag in ("h2", "td", "th", "li", "dt", "dd"):
            self._open = None

    def handle_data(self, data: str) -> None:
        if self._open is not None and not self._skip:
            self._open += data


def _in_html(text: str) -> dict[str, list[list[str]]]:
    reader = _Sections()
    reader.feed(text)
    return reader.found


def _in_markdown(text: str) -> dict[str, list[list[str]]]:
    found: dict[str, list[list[str]]] = {}
    title = ""

    def words(part: str) -> str:
        return re.sub(r"\\([!-/:-@[-`{-~])", r"\1", part).strip("\u2068\u2069 ")

    for line in text.splitlines():
        if line.startswith("## "):
            title = words(line[3:])
            found[title] = []
        elif title and line.startswith("| ") and not line.startswith("| ---"):
            cells = re.split(r"(?<!\\) \| ", line.removeprefix("| ").removesuffix(" |"))
            found[title].append([words(cell) for cell in cells])
        elif title and line.startswith("- "):
            found[title].append([words(line[2:])])
    return found


def _in_word(raw: bytes) -> dict[str, list[list[str]]]:
    found: dict[str, list[list[str]]] = {}
    title = ""
    for part in Document(io.BytesIO(raw)).iter_inner_content():
        if isinstance(part, WordTable):
            found[title] += [
                [" ".join(cell.text.split()) for cell in row.cells] for row in part.rows
            ]
        elif part.style is not None and part.style.name == "Heading 2":
            title = part.text
            found[title] = []
        elif title and part.style is not None and part.style.name == "List Bullet":
            found[title].append([" ".join(part.text.split())])
    return found


def test_every_format_has_the_same_sections_and_the_same_numbers(
    both_designs: tuple[Synthesis, dict[str, Any]],
) -> None:
    made, content = both_designs
    html = _in_html(page(made, content))
    markdown = _in_markdown(render(made, content, "md").decode())
    report, supplement = (_in_word(raw) for raw in _paper(made, content))
    assert list(html) == list(markdown)
    assert {"Summary", "Bias ladder", "Sensitivity", "Checks and findings"} <= set(html)
    # A section is in the report, in the supplement, or divided; the supplement has every column.
    word = {
        title: [row for row in report.get(title, []) if row not in supplement.get(title, [])]
        + supplement.get(title, [])
        for title in markdown
    }
    assert "Predictive check" not in report
    assert "Predictive check" in supplement
    for title, rows in markdown.items():
        wanted = [row for row in rows if row not in word[title]]
        assert wanted == [], (title, wanted[:1])
    word = markdown

    def plain(rows: list[list[str]]) -> list[str]:
        """Cells in one row; a tag of HTML is a word with a colon elsewhere, a term its name."""
        return [
            re.sub(r"^(note|warning|failed|passed):? ?", "", cell) for row in rows for cell in row
        ]

    for title, rows in html.items():
        if title == "Explore":
            continue
        wanted = plain(word[title])
        if title == "Record, and how to repeat it":
            wanted = [cell.partition(": ")[2] for cell in wanted]
        assert plain(rows) == wanted, title
    # Controls belong to a page; what they begin with stands in every format.
    here = {row[0]: row[-2] for row in html["Explore"] if row[:1] in ([name] for name in "ABCDE")}
    for row in word["Explore"]:
        if row[0] in here:
            assert row[2] == here[row[0]]


def test_a_wrong_digit_would_be_seen() -> None:
    assert not same_number("1.09", 1.0818, "effect", log=True)
    assert not same_number("0.82", 0.8251, "probability", log=True)
    assert not same_number("–", 0.5, "effect", log=True)


def test_a_page_holds_no_style_no_handler_and_no_address_but_dois(
    hostile: tuple[Synthesis, dict[str, Any]],
) -> None:
    made, content = hostile
    text = page(made, content)
    seen = _read(text)
    kinds = Counter(tag for tag, _ in seen.tags)
    assert kinds["script"] == 2
    assert kinds["img"] == kinds["b"] == kinds["iframe"] == kinds["link"] == kinds["form"] == 0
    ids = [attributes["id"] for _, attributes in seen.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in seen.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        for name in ("href", "src", "xlink:href"):
            address = attributes.get(name, "#")
            assert address.startswith(("#", "https://doi.org/10.", "../index.html")), address
    policy = next(a["content"] for t, a in seen.tags if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_hostile_words_are_shown_as_they_are(hostile: tuple[Synthesis, dict[str, Any]]) -> None:
    made, content = hostile
    text = page(made, content)
    for raw in HOSTILE:
        if "<" in raw:
            assert raw not in text
    assert "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>" in text
    markdown = render(made, content, "md").decode()
    assert "<script>" not in re.sub(r"\\<", "", markdown)
    assert not re.search(r"(?<!\\)<(script|img|b)\b", markdown)
    assert not re.search(r"(?<!\\)\]\(", markdown)


def test_hostile_words_stay_text_in_word(hostile: tuple[Synthesis, dict[str, Any]]) -> None:
    made, content = hostile
    with zipfile.ZipFile(io.BytesIO(render(made, content, "docx"))) as archive:
        body = archive.read("word/document.xml").decode()
        links = archive.read("word/_rels/document.xml.rels").decode()
    assert "w:instrText" not in body
    assert "w:hyperlink" not in body
    assert "fldSimple" not in body
    assert "<script" not in body
    assert "&lt;script&gt;alert(1)" in body
    assert "External" not in links


def test_hostile_words_are_no_formula_in_estimates_csv(
    hostile: tuple[Synthesis, dict[str, Any]], tmp_path: Path
) -> None:
    folder = write_results(hostile[0], tmp_path, report=False)
    raw = (folder / "estimates.csv").read_bytes()
    faults = Faults(SpecError)
    table = read_table(raw, "estimates.csv", faults)
    assert not faults.messages
    assert b",'=cmd|" in raw
    assert not re.search(rb'(^|,)"?=', raw, flags=re.M)
    assert "=cmd|'/C calc'!A0" in table.columns["label"]


@pytest.mark.parametrize("kind", ["html", "md", "docx", "json"])
def test_the_same_synthesis_gives_the_same_bytes(
    plain: tuple[Synthesis, dict[str, Any]], kind: str
) -> None:
    made, content = plain
    assert render(made, content, kind) == render(made, record(made), kind)


def test_control_characters_are_replaced() -> None:
    assert clean("half \ud83d") == "half \ufffd"
    made = small_synthesis(("nul\x0b", "b", "bell\x07", "d"))
    content = record(made)
    for kind in ("md", "docx"):
        assert render(made, content, kind)
    text = page(made, content)
    assert "\x0b" not in text
    assert "nul\ufffd" in text


def test_the_index_lists_what_the_folder_holds(
    plain: tuple[Synthesis, dict[str, Any]], tmp_path: Path
) -> None:
    made, content = plain
    folder = write_results(made, tmp_path, report=True)
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "synthesis.json").write_text("[]")
    (tmp_path / "foreign" / "report.html").write_text("")
    text = write_index(tmp_path).read_text(encoding="utf-8")
    assert f'href="{made.analysis.id}/report.html"' in text
    assert "foreign" not in text
    assert json.loads((folder / "synthesis.json").read_text(encoding="utf-8")) == content


def test_pictures_of_a_report_cross_where_its_table_says_and_keep_their_hatching(
    both_designs: tuple[Synthesis, dict[str, Any]],
) -> None:
    made, content = both_designs
    text = page(made, content)
    for name in ("bias", "share"):
        said = re.search(f'<desc id="tipping-{name}-desc">([^<]*)</desc>', text)
        assert said is not None
        for row in content["ladder"]["tipping"]:
            if row[name] is not None:
                where = re.search(f"crossing {row['level']:g} at ([−0-9.]+[0-9])", said.group(1))
                assert where is not None
                assert same_number(where.group(1), row[name], "effect", log=False)
    for name in re.findall(r'fill="url\(#([^)]+)\)"', text):
        assert f'<pattern id="{name}"' in text
    assert '<pattern id="new-setting-' in text


def test_a_difference_between_effects_is_no_benefit() -> None:
    made = small_synthesis(("A", "B", "C", "D"), design=["rct", "cohort", "rct", "cohort"])
    terms = (
        brw.Intercept(brw.prior.Normal(0, 0.5)),
        brw.Indicator("non_randomised", "design", ("cohort",), brw.prior.Normal(0, 0.2)),
        brw.Exchangeable(brw.prior.HalfNormal(0.25)),
    )
    asked = (Estimand("pooled", "mu"), Estimand("gap", "beta[non_randomised]"))
    again = run(replace(made.analysis, term=terms, estimand=asked), made.evidence)
    content = record(again, alternatives=False)
    word = _in_word(render(again, content, "docx"))
    answers = {row[0]: row[2] for row in word["Summary"]}
    assert answers["Pooled"].startswith("P(benefit) = ")
    assert answers["Gap"].startswith("P(ratio of ratios > 1) = ")
    assert word["Moderators"][1][3].startswith("P(ratio of ratios > 1) = ")


def test_effects_that_include_the_own_estimate_are_called_shrunken() -> None:
    made = small_synthesis(("A", "B", "C", "D"))
    content = record(made, alternatives=False)
    assert "given all" not in page(made, content).lower()
    tables = _in_word(_paper(made, content)[1]).values()
    rows = [row for table in tables for row in table]
    place = next(i for i, row in enumerate(rows) if len(row) > 2 and row[2].startswith("Shrunken"))
    table = rows[place : place + 2]
    assert table[0][2] == "Shrunken, its own included (95 % CrI)"
    # By hand: theta given tau is a precision-weighted mean of the own estimate and the pooled one.
    y, se = made.evidence.data["effect"].to_numpy(), made.evidence.data["se"].to_numpy()
    terms = made.analysis.model.terms
    tau = np.linspace(1e-6, 4.0, 8001)
    total = np.eye(4) * se**2 + tau[:, None, None] ** 2 * np.eye(4) + terms[0].prior.sd ** 2
    solved = np.linalg.solve(total, np.broadcast_to(y[:, None], (len(tau), 4, 1)))[..., 0]
    log = -0.5 * (solved @ y + np.linalg.slogdet(total)[1]) + terms[1].tau.logpdf(tau)
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    cross = terms[0].prior.sd ** 2 + tau[:, None] ** 2 * np.eye(4)[0]
    mean = np.einsum("ni,ni->n", cross, solved)
    inverse = np.linalg.inv(total)
    variance = tau**2 + terms[0].prior.sd ** 2 - np.einsum("ni,nij,nj->n", cross, inverse, cross)
    median = brentq(lambda x: weight @ ndtr((x - mean) / np.sqrt(variance)) - 0.5, -2, 2)
    printed = table[1][2].split(" (")[0]
    assert float(printed) == pytest.approx(np.exp(median), abs=0.006)


#: Printed where a median stands with its interval.
TRIPLE = re.compile(r"([−<>]?[\d.,]+) \(([−<>]?[\d.,]+) to ([−<>]?[\d.,]+)\)")


def _intervals(found: Any) -> list[tuple[float, float, float]]:
    """Every median with its interval that stands anywhere in a record, on either scale."""
    inner: list[Any] = []
    if isinstance(found, dict):
        inner = list(found.values())
    elif isinstance(found, list):
        inner = found
    ends = (
        [found.get(end) for end in ("median", "lower", "upper")] if isinstance(found, dict) else []
    )
    here = [tuple(ends)] if ends and all(isinstance(end, float) for end in ends) else []
    return [*here, *(each for part in inner for each in _intervals(part))]  # type: ignore[list-item]


def test_no_digit_of_a_column_of_numbers_is_without_its_place(
    both_designs: tuple[Synthesis, dict[str, Any]],
) -> None:
    made, content = both_designs
    text = re.sub(r"<svg.*?</svg>", "", page(made, content), flags=re.DOTALL)
    cells = re.findall(r'<t([dh])([^>]*\bclass="num"[^>]*)>(.*?)</t\1>', text, flags=re.DOTALL)
    assert len(cells) > 100
    for _, attributes, inside in cells:
        if 'scope="col"' in attributes:
            continue
        rest = re.sub(r"<data [^>]*>[^<]*</data>", "", inside)
        assert not re.search(r"\d", re.sub(r"<[^>]*>", "", rest)), inside
    # The answer, too, and the explorer: apart from how probable an interval is and people of 1000.
    opening = text[text.index('id="answer"') : text.index("<nav")]
    opening = re.sub(r"<bdi>.*?</bdi>|95\u00a0%", "", opening)  # priors by name; 95 % of them
    words = re.sub(r"<[^>]*>", "", re.sub(r"<data [^>]*>[^<]*</data>", "", opening))
    assert re.findall(r"\d[\d.]*", words) == ["0.95."] or re.findall(r"\d[\d.]*\d", words) == [
        "0.95"
    ]


def test_every_interval_in_a_picture_and_its_words_is_one_of_the_record(
    both_designs: tuple[Synthesis, dict[str, Any]],
) -> None:
    made, content = both_designs
    known = set(_intervals(json.loads(as_json(content))))
    prior = content["analysis"]["term"][0]["prior"]
    ends = [prior["mean"] + z * prior["sd"] for z in (0.0, -1.959964, 1.959964)]
    known.add(tuple(math.exp(end) for end in ends))  # type: ignore[arg-type]
    seen = 0
    for name, part in _pictures(page(made, content)).items():
        for shown in TRIPLE.findall(part.replace("\u00a0", " ")):
            seen += 1
            assert any(
                all(
                    same_number(text, end, "effect", log=True)
                    for text, end in zip(shown, ends, strict=True)
                )
                for ends in known
            ), (name, shown)
    assert seen > 40


def test_a_picture_of_rows_has_each_number_beside_its_name(
    both_designs: tuple[Synthesis, dict[str, Any]],
) -> None:
    made, content = both_designs
    rows = _lines(page(made, content), "forest")
    for place, row in enumerate(content["rows"]):
        shown = TRIPLE.search(rows[row["estimate"]])
        assert shown is not None
        for text, end in zip(shown.groups(), ("median", "lower", "upper"), strict=True):
            assert same_number(text, content["rows"][place]["own"][end], "effect", log=True)
    weights = content["weights"]["estimates"]
    for name, share in weights.items():
        assert same_number(rows[name].split()[-1], share, "percent", log=True)


def _pictures(text: str) -> dict[str, str]:
    """Words of each picture: its description and everything written in it."""
    found = {}
    for part in re.findall(r"<svg viewBox.*?</svg>", text, flags=re.DOTALL):
        name = re.search(r'aria-describedby="([^"]+)-desc"', part)
        words = re.findall(r"<(?:desc|text)\b[^>]*>([^<]*)<", part)
        if name is not None:
            found[name.group(1)] = "\n".join(words)
    assert len(found) >= 9
    return found


def _lines(text: str, name: str) -> dict[str, str]:
    """Texts of a picture that stand at one height, by the first of them."""
    part = next(
        each
        for each in re.findall(r"<svg viewBox.*?</svg>", text, flags=re.DOTALL)
        if f'aria-describedby="{name}-desc"' in each
    )
    heights: dict[str, list[tuple[float, str]]] = {}
    for attributes, words in re.findall(r"<text\b([^>]*)>([^<]*)<", part):
        at = re.search(r'\bx="([^"]+)" y="([^"]+)"', attributes)
        if at is not None:
            heights.setdefault(f"{float(at.group(2)):.1f}", []).append((float(at.group(1)), words))
    lines = [[words for _, words in sorted(line)] for line in heights.values()]
    return {line[0]: " ".join(line) for line in lines}


def test_what_is_left_out_is_named_in_full_with_the_change_in_front(
    both_designs: tuple[Synthesis, dict[str, Any]],
) -> None:
    made, content = both_designs
    tables = content["sensitivity"]["tables"]
    names = {row["known_as"] for row in tables["Leaving out each study"]}
    assert names == {"none left out", *made.evidence.data["estimate"].to_numpy().astype(str)}
    for table in tables.values():
        own = made.quantities.loc["mu", "median"]
        for row in table:
            assert row["change"] == pytest.approx(math.exp(row["median"] - own), rel=1e-9)
    text = page(made, content)
    assert "/sensitivity/tables/Leaving out each study/1/change" in text
