"""Reports as bytes: numbers against the record, hostile words, and the same file twice.

Absolute effects are held against figures worked out elsewhere (Weibull curves with a median of 90 days,
hazard ratio 1.25), checklists against the points of the publication.
"""

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

import pandas as pd
import pytest
from docx import Document
from docx.table import Table as WordTable
from hypothesis import given
from hypothesis import strategies as st

import bayesrtw as brw
from bayesrtw.analysis.default import default_analyses
from bayesrtw.analysis.run import Synthesis, run
from bayesrtw.analysis.spec import Estimand
from bayesrtw.errors import Faults, SpecError
from bayesrtw.evidence.cells import Table, guarded, read_table, unguarded
from bayesrtw.evidence.write import _csv
from bayesrtw.report.absolute import per_thousand, risk
from bayesrtw.report.checklist import POINTS
from bayesrtw.report.document import as_json
from bayesrtw.report.folder import write_index, write_results
from bayesrtw.report.numbers import clean, resolve
from bayesrtw.report.record import record
from bayesrtw.report.render import page, render

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


def _synthesis(names: tuple[str, ...], **columns: Any) -> Synthesis:
    count = len(names)
    frame = pd.DataFrame(
        {
            "study": names,
            "effect": [0.42, 0.05, 0.11, -0.21, 0.33, 0.2][:count],
            "se": [0.15, 0.12, 0.30, 0.25, 0.09, 0.2][:count],
            **columns,
        }
    )
    evidence = brw.Evidence.from_frame(frame, measure="log_hazard_ratio")
    (analysis,) = default_analyses(evidence)
    words = {"title": f"Small {names[0]}", "question": f"Does {names[1]} help?"}
    asked = (Estimand("pooled", "mu"), Estimand("new setting", "theta_new"), Estimand("SD", "tau"))
    return run(replace(analysis, **words, rationale=(names[2],), estimand=asked), evidence)


@pytest.fixture(scope="module")
def plain() -> tuple[Synthesis, dict[str, Any]]:
    made = _synthesis(("A 2001", "B 2002", "C 2003", "D 2004", "E 2005"))
    return made, record(made)


@pytest.fixture(scope="module")
def hostile() -> tuple[Synthesis, dict[str, Any]]:
    made = _synthesis(
        HOSTILE,
        note=list(HOSTILE),
        locator=[f"{text} doi 10.1000/ab<script>" for text in HOSTILE],
        design=["rct"] * 6,
        trial_family=[HOSTILE[0]] * 2 + list("abcd"),
    )
    return made, record(made)


@pytest.fixture(scope="module")
def both_designs() -> tuple[Synthesis, dict[str, Any]]:
    designs = ["rct", "cohort", "rct", "cohort", "rct"]
    made = _synthesis(("A 2001", "B 2002", "C 2003", "D 2004", "E 2005"), design=designs)
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
        return value < limit if bound.group(1) == "<" else value > limit - 0.5
    text = shown.replace("−", "-").replace(",", "").lstrip("+")
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
    document = Document(io.BytesIO(render(made, content, "docx")))
    found: dict[str, list[str]] = {}
    title = ""
    for part in document.iter_inner_content():
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
            found[title] += [[cell.text for cell in row.cells] for row in part.rows]
        elif part.style is not None and part.style.name == "Heading 2":
            title = part.text
            found[title] = []
        elif part.style is not None and part.style.name == "List Bullet":
            found[title].append([part.text])
    return found


def test_every_format_has_the_same_sections_and_the_same_numbers(
    both_designs: tuple[Synthesis, dict[str, Any]],
) -> None:
    made, content = both_designs
    html = _in_html(page(made, content))
    markdown = _in_markdown(render(made, content, "md").decode())
    word = _in_word(render(made, content, "docx"))
    assert list(html) == list(markdown) == list(word)
    assert {"Summary", "Bias ladder", "Sensitivity", "Checks and findings"} <= set(html)
    assert markdown == word

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


@given(st.text(alphabet="'=+-@1a.\t＝ _", max_size=8))
def test_guarded_cells_come_back(cell: str) -> None:
    assert unguarded(guarded(cell)) == cell
    safe = guarded(cell)
    try:
        float(safe)
    except ValueError:
        assert not safe.startswith(("=", "+", "-", "@", "\t", "＝"))


def test_a_data_set_with_formulas_comes_back_as_it_was() -> None:
    columns = {"study": ["=cmd()", "'=x", "-1 day"], "@note": ["+x", "-0.3", "'plain'"]}
    raw = _csv(Table("results.csv", columns, [2, 3, 4]))
    assert raw.splitlines() == [
        b"study,'@note",
        b"'=cmd(),'+x",
        b"''=x,-0.3",
        b"'-1 day,'plain'",
    ]
    faults = Faults(SpecError)
    assert read_table(raw, "results.csv", faults).columns == columns
    assert not faults.messages


def test_numbers_are_not_guarded() -> None:
    assert [guarded(cell) for cell in ("-0.3", "+1e5", "-.5", "12")] == [
        "-0.3",
        "+1e5",
        "-.5",
        "12",
    ]


@pytest.mark.parametrize("kind", ["html", "md", "docx", "json"])
def test_the_same_synthesis_gives_the_same_bytes(
    plain: tuple[Synthesis, dict[str, Any]], kind: str
) -> None:
    made, content = plain
    assert render(made, content, kind) == render(made, record(made), kind)


def test_control_characters_are_replaced() -> None:
    assert clean("half \ud83d") == "half \ufffd"
    made = _synthesis(("nul\x0b", "b", "bell\x07", "d"))
    content = record(made)
    for kind in ("md", "docx"):
        assert render(made, content, kind)
    text = page(made, content)
    assert "\x0b" not in text
    assert "nul\ufffd" in text


@pytest.mark.parametrize(
    ("baseline", "wanted"), [(0.799, 0.866), (0.881, 0.930), (0.940, 0.970), (0.986, 0.995)]
)
def test_hazard_ratio_moves_a_risk_as_a_weibull_curve_does(baseline: float, wanted: float) -> None:
    assert risk("log_hazard_ratio", math.log(1.25), baseline) == pytest.approx(wanted, abs=1.1e-3)


def test_other_ratios_move_a_risk_as_their_definitions_say() -> None:
    assert per_thousand("log_risk_ratio", math.log(1.5), 0.2) == pytest.approx(100)
    assert risk("log_risk_ratio", math.log(3), 0.5) == 1.0
    new = risk("log_odds_ratio", math.log(2), 0.25)
    assert new / (1 - new) == pytest.approx(2 * 0.25 / 0.75)
    assert risk("risk_difference", -0.3, 0.1) == 0.0
    with pytest.raises(SpecError, match="moves no risk"):
        risk("mean_difference", 1.0, 0.5)
    with pytest.raises(SpecError, match="baseline must lie"):
        risk("log_risk_ratio", 0.0, 1.0)


#: Letters of each step in Table 1 of Kruschke (2021); of step 6 what the step asks for.
BARG = {
    "0": "AB",
    "1": "ABCDE",
    "2": "ABCD",
    "3": "ABC",
    "4": "ABCDE",
    "5": "ABCDE",
    "6": "ABCDEFGH",
}

#: Points whose subject is known from the table, and a word of it.
SUBJECTS = {
    "0.A": "Why Bayesian",
    "0.B": "Goals",
    "1.A": "Data",
    "1.B": "Likelihood",
    "1.C": "Prior",
    "1.D": "Formal specification",
    "1.E": "Prior predictive check",
    "2.A": "Software",
    "2.B": "Convergence",
    "2.C": "Resolution",
    "2.D": "not MCMC",
    "3.A": "Posterior predictive check",
    "3.B": "Summaries",
    "3.C": "Bayes factors",
    "4.A": "Why decide",
    "4.B": "Loss",
    "4.C": "practical equivalence",
    "4.D": "Bayes factors",
    "4.E": "Estimates",
    "5.A": "broad",
    "5.B": "informed",
    "5.C": "default",
    "5.D": "Bayes factors",
    "5.E": "decisions",
    "6.A": "install",
    "6.B": "Versions",
    "6.D": "humans",
    "6.G": "Posterior",
}


def test_the_checklist_has_the_points_of_the_publication() -> None:
    wanted = [f"{step}.{letter}" for step, letters in BARG.items() for letter in letters]
    assert [point for point, _, _ in POINTS] == wanted
    asks = {point: asked for point, _, asked in POINTS}
    for point, word in SUBJECTS.items():
        assert word in asks[point], point


@pytest.mark.parametrize("which", ["plain", "both_designs"])
def test_the_checklist_answers_every_point_and_says_where(
    which: str, request: pytest.FixtureRequest
) -> None:
    made, content = request.getfixturevalue(which)
    points = content["checklist"]
    assert [each["point"] for each in points] == [point for point, _, _ in POINTS]
    known = {"reported", "in part", "not reported", "does not apply", "left to the author"}
    assert {each["status"] for each in points} <= known
    assert all(each["text"] for each in points)
    said = {each["point"]: each["text"] for each in points}
    assert content["digest"] in said["6.C"]
    assert "half-normal(0.1)" in said["5.A"]
    status = {each["point"]: each["status"] for each in points}
    for point in ("0.A", "4.B", "4.C", "6.C", "6.E", "6.H"):
        assert status[point] == "left to the author"
    text = page(made, content)
    sections = {a["id"] for tag, a in _read(text).tags if tag == "section"}
    part = text[text.index('<section id="checklist"') :]
    for each in points:
        shown = [name for name in each["where"] if name in sections]
        answered = each["status"] in ("reported", "in part")
        assert bool(shown) == answered, each
        for name in shown:
            assert f'<a href="#{name}">' in part


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
    made = _synthesis(("A", "B", "C", "D"), design=["rct", "cohort", "rct", "cohort"])
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
    assert answers["Gap"].startswith("P(above 1.00) = ")
    assert word["Moderators"][1][3].startswith("P(above 1) = ")


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
