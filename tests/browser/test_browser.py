"""The page in a real browser: what it asks for, what its controls show, who can use it.

Numbers after a choice are held against posteriors fitted anew without the study or with the other prior;
the page prints two or three digits, the fits agree to 1e-5.
"""

import io
import json
import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from pages import Made, Visit, made
from PIL import Image
from playwright.sync_api import Page

import bayesrtw as brw
from bayesrtw.analysis.default import default_analyses
from bayesrtw.analysis.run import run
from bayesrtw.analysis.spec import Estimand
from bayesrtw.decision.risks import per_thousand
from bayesrtw.printed import plain, spell, spell_probability
from bayesrtw.report.document import as_json
from bayesrtw.report.html import render_html, render_index
from bayesrtw.report.record import record
from bayesrtw.report.render import page as page_of

pytestmark = pytest.mark.browser

#: Grave enough to stop somebody from reading the page.
GRAVE = ("serious", "critical")

WIDTHS = (360, 1280)

Open = Callable[..., Visit]


def text_of(page: Page, cell: str) -> str:
    return page.locator(f'#now [data-cell="{cell}"]').inner_text()


def effect(value: float) -> str:
    return spell(math.exp(value), log=True, places=2)


def shown_answer(page: Page, place: int) -> tuple[str, ...]:
    return tuple(text_of(page, f"answers/{place}/{end}") for end in range(4))


def wanted_answer(row: dict[Any, Any]) -> tuple[str, ...]:
    ends = [effect(float(row[name])) for name in ("median", "lower", "upper")]
    return (*ends, spell_probability(float(row["probability"])))


def test_a_page_asks_for_nothing_and_complains_of_nothing(visit: Open, main_report: Made) -> None:
    found = visit(main_report.path)
    assert found.requests == [main_report.path.as_uri()]
    assert found.said == []
    assert found.page.title() == main_report.synthesis.analysis.title


def test_the_first_view_is_there_within_a_second(visit: Open, main_report: Made) -> None:
    seen = []
    for _ in range(3):
        found = visit(main_report.path)
        script = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 1e9"
        found.page.wait_for_function("() => performance.getEntriesByType('paint').length > 0")
        seen.append(found.page.evaluate(script))
    assert min(seen) <= 1000


def test_the_main_report_is_small_and_quick_to_write(main_report: Made) -> None:
    assert len(main_report.text.encode()) <= 3_000_000
    start = time.process_time()
    again = page_of(main_report.synthesis, main_report.content)
    assert time.process_time() - start <= 5
    assert again == main_report.text


def test_another_prior_and_a_study_left_out_give_what_python_gives(
    visit: Open, main_report: Made
) -> None:
    page = visit(main_report.path).page
    made_of = main_report.synthesis
    study = "anema2007_ga"
    page.select_option("#knob-left", label="Anema 2007, graded activity")
    page.select_option("#knob-prior", label="half-normal(0.1)")
    keep = made_of.evidence.data["study"].to_numpy() != study
    assert page.locator('label[for="knob-prior"]').inner_text() == "Prior of heterogeneity τ"
    terms = tuple(
        replace(term, tau=brw.prior.HalfNormal(0.1)) if getattr(term, "name", "") == "tau" else term
        for term in made_of.analysis.term
    )
    model = brw.Model(terms=terms)
    tree = brw.fit(model, made_of.evidence.rows(keep), engine=brw.Exact(draws=0), seed=1)
    table = brw.summarise(tree)
    assert shown_answer(page, 0) == wanted_answer(table.loc["mu"].to_dict())
    assert shown_answer(page, 1) == wanted_answer(table.loc["theta_new"].to_dict())
    theta = table.loc["theta[Lambeek 2010]"].to_dict()
    row = page.locator('tr[data-row="0"]')
    printed = row.locator('[data-cell="effects/0/0"]').inner_text()
    assert printed == effect(float(theta["median"]))
    weight = 100 * float(tree["quadrature"]["weight_in_mu"][0])
    assert row.locator('[data-cell="weights/0"]').inner_text() == f"{weight:.1f}"
    out = int(np.flatnonzero(~keep)[0])
    gone = page.locator(f'tr[data-row="{out}"]')
    assert "out" in (gone.get_attribute("class") or "")
    assert gone.locator(f'[data-cell="effects/{out}/0"]').inner_text() == "–"
    assert page.locator("#now-what").inner_text() == (
        "Changed: the prior of heterogeneity is half-normal(0.1); Anema 2007, graded activity is left "
        "out. All else is as registered."
    )
    page.click("#knob-reset")
    assert shown_answer(page, 0) == wanted_answer(made_of.estimates.loc["pooled"].to_dict())
    assert page.locator("#now-what").inner_text() == (
        "This is the analysis as it was run: nothing is changed or left out."
    )


def test_ticks_and_hatches_of_pictures_are_light_on_dark(visit: Open, main_report: Made) -> None:
    page = visit(main_report.path, color_scheme="dark").page
    picture = "svg[aria-labelledby='new-setting-title']"
    # Ticks are repeated by <use>: what is drawn is asked, not what is written.
    shot = page.locator(picture).screenshot()
    tick = page.locator(f"{picture} use[href]").first.bounding_box()
    whole = page.locator(picture).bounding_box()
    assert tick is not None
    assert whole is not None
    seen = Image.open(io.BytesIO(shot)).convert("L")
    left, top = int(tick["x"] - whole["x"]), int(tick["y"] - whole["y"])
    # Below the axis, which the tick begins at.
    low = top + int(tick["height"])
    box = (left - 2, low - 3, left + int(tick["width"]) + 3, low)
    assert np.asarray(seen.crop(box)).max() > 150
    sample = page.eval_on_selector(
        f"{picture} pattern path", "node => getComputedStyle(node).stroke"
    )
    assert sample == "rgb(233, 230, 225)"


def test_numbers_keep_their_place_in_the_document_after_every_choice(
    visit: Open, main_report: Made
) -> None:
    page = visit(main_report.path).page
    written = json.loads(as_json(main_report.content))
    grid = written["explore"]
    for left, prior in ((3, 1), (len(grid["left_out"]) - 1, len(grid["priors"]) - 1)):
        page.select_option("#knob-left", value=str(left))
        page.select_option("#knob-prior", value=str(prior))
        seen = page.eval_on_selector_all(
            "[data-cell]", "nodes => nodes.map(n => [n.dataset.path, n.getAttribute('value')])"
        )
        for path, value in seen:
            at: Any = written
            for key in path.split("/")[1:]:
                at = None if at is None else at[int(key) if isinstance(at, list) else key]
            assert at == (None if value is None else float(value)), path


@pytest.mark.parametrize("percent", [1, 37, 50, 80, 99])
def test_the_baseline_risk_gives_the_people_that_python_gives(
    visit: Open, main_report: Made, percent: int
) -> None:
    page = visit(main_report.path).page
    page.fill("#knob-baseline-number", str(percent))
    row = main_report.synthesis.estimates.loc["pooled"].to_dict()
    for place, end in enumerate(("median", "lower", "upper")):
        value = per_thousand("log_hazard_ratio", float(row[end]), percent / 100)
        shown = page.locator(f'[data-people="0/{place}"]').first.inner_text()
        assert abs(float(shown.replace("−", "-")) - value) <= 0.5
    assert page.locator("[data-baseline]").first.inner_text() == str(10 * percent)


def test_rungs_of_a_ladder_are_a_choice_where_there_are_several(
    visit: Open, main_report: Made, tmp_path: Path
) -> None:
    grid = main_report.content["explore"]
    moved = [
        [{**cell, "answers": [[0.5, 0.4, 0.6, 0.75]] * 2} for cell in row]
        for row in grid["cells"][0]
    ]
    rungs = [grid["rungs"][0], {"name": "trials", "label": "trials alone"}]
    explore = {**grid, "rungs": rungs, "cells": [grid["cells"][0], moved]}
    content = {**main_report.content, "explore": explore}
    path = tmp_path / "report.html"
    path.write_text(render_html(content), encoding="utf-8")
    page = visit(path).page
    page.select_option("#knob-rung", label="trials alone")
    assert shown_answer(page, 0) == (effect(0.5), effect(0.4), effect(0.6), "0.75")
    assert visit(main_report.path).page.locator("#knob-rung, #ladder").count() == 0


def test_a_rung_gives_what_python_gives_for_the_trials_alone(visit: Open, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "study": list("ABCDE"),
            "effect": [0.42, 0.05, 0.11, -0.21, 0.33],
            "se": [0.15, 0.12, 0.30, 0.25, 0.09],
            "design": ["rct", "cohort", "rct", "cohort", "rct"],
        }
    )
    evidence = brw.Evidence.from_frame(frame, measure="log_hazard_ratio", benefit="higher")
    terms = (
        brw.Intercept(brw.prior.Normal(0, 0.5)),
        brw.Indicator("non_randomised", "design", ("cohort",), brw.prior.Normal(0, 0.2)),
        brw.Exchangeable(brw.prior.HalfNormal(0.25)),
    )
    asked = (Estimand("pooled", "mu"), Estimand("gap", "beta[non_randomised]"))
    (analysis,) = default_analyses(evidence)
    report = made(run(replace(analysis, term=terms, estimand=asked), evidence), tmp_path)
    found = visit(report.path)
    page = found.page
    assert page.locator('[data-present="1"]').is_visible()
    page.select_option("#knob-rung", label="the trials alone")
    page.select_option("#knob-left", label="A")
    trials = frame.loc[frame["study"].isin(["C", "E"]), ["study", "effect", "se"]]
    alone = brw.Evidence.from_frame(trials, measure="log_hazard_ratio", benefit="higher")
    table = brw.summarise(brw.fit(brw.Model(terms=(terms[0], terms[2])), alone, seed=1))
    assert shown_answer(page, 0) == wanted_answer(table.loc["mu"].to_dict())
    assert not page.locator('[data-present="1"]').is_visible()
    assert "not in this rung" in page.inner_text("#now")
    assert "out" in (page.locator('tr[data-row="1"]').get_attribute("class") or "")
    assert "robust MAP and mixture are not among the choices" in page.inner_text("#explore")
    page.click("#knob-reset")
    assert page.locator('[data-present="1"]').is_visible()
    assert found.said == []


def test_everything_is_reached_by_keyboard(visit: Open, main_report: Made) -> None:
    page = visit(main_report.path).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = []
    for _ in range(80):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        if reached[-1] == "knob-reset":
            break
    order = [name for name in reached if name.startswith("knob")]
    assert order == [
        "knob-prior",
        "knob-left",
        "knob-baseline",
        "knob-baseline-number",
        "knob-reset",
    ]
    before = shown_answer(page, 0)
    page.focus("#knob-left")
    for _ in range(10):
        page.keyboard.press("ArrowDown")
    assert page.eval_on_selector("#knob-left", "node => node.selectedIndex") == 10
    assert shown_answer(page, 0) != before
    page.focus("#knob-baseline")
    page.keyboard.press("ArrowRight")
    assert page.input_value("#knob-baseline-number") == "51"


def test_the_evidence_table_sorts(visit: Open, main_report: Made) -> None:
    page = visit(main_report.path).page
    head = page.locator("table.sortable th", has_text="HR (95")
    effects = [row["own"]["median"] for row in main_report.content["rows"]]
    for wanted in (sorted(effects), sorted(effects, reverse=True)):
        head.locator("button").press("Enter")
        column = head.evaluate("node => node.cellIndex")
        cells = page.eval_on_selector_all(
            "table.sortable tbody tr",
            f"rows => rows.map(r => Number(r.cells[{column}].dataset.sort))",
        )
        assert cells == wanted
    assert head.get_attribute("aria-sort") == "descending"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_no_serious_barrier_and_no_sideways_scroll(
    visit: Open, main_report: Made, width: int, scheme: str
) -> None:
    size = {"width": width, "height": 800}
    page = visit(main_report.path, viewport=size, color_scheme=scheme, bypass_csp=True).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page).response["violations"]
    grave = [(each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in GRAVE]
    assert grave == []
    assert "landmark-unique" not in {each["id"] for each in found}


def test_without_scripts_a_phone_shows_all_that_a_desk_shows(
    visit: Open, main_report: Made
) -> None:
    small = {"width": 360, "height": 740}
    still = visit(main_report.path, java_script_enabled=False, viewport=small).page
    moving = visit(main_report.path).page
    for which in (
        "main h2",
        "main h3",
        "main td",
        "main tbody th",
        "main li",
        "main dd",
        "main figcaption",
    ):
        texts = [page.locator(which).all_text_contents() for page in (still, moving)]
        assert texts[0] == texts[1], which
        assert texts[0]
    # Nothing but the controls is hidden, and what is folded unfolds by itself.
    hidden = still.eval_on_selector_all("main [hidden]", "all => all.map(each => each.className)")
    assert set(hidden) <= {"knobs", "absent"}
    for section in main_report.content["sensitivity"]["tables"]:
        assert still.get_by_role("heading", name=section, exact=True).is_visible()
    for name in ("summary", "pictures", "evidence", "sensitivity", "checks", "record", "checklist"):
        assert still.locator(f"#{name}").is_visible()
    still.locator("summary").first.click()
    assert still.locator("details").first.evaluate("node => node.open")
    assert still.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_phone_shows_the_answer_without_scrolling_sideways(
    visit: Open, main_report: Made
) -> None:
    page = visit(main_report.path, viewport={"width": 360, "height": 740}).page
    cells = page.locator("#summary td, #people td, #checklist td")
    assert cells.count() > 50
    for box in (each.bounding_box() for each in cells.all()):
        assert box is None or box["x"] + box["width"] <= 360
    said = page.eval_on_selector_all(
        "#summary td", "all => all.map(each => getComputedStyle(each, '::before').content)"
    )
    assert '"P(benefit)"' in said


def test_marks_are_seen_in_the_dark(visit: Open, main_report: Made) -> None:
    page = visit(main_report.path, color_scheme="dark").page
    strokes = page.eval_on_selector_all(
        "figure svg defs > path", "all => all.map(each => each.getAttribute('stroke'))"
    )
    assert strokes
    assert set(strokes) <= {None, "none"}
    uses = page.eval_on_selector_all(
        "figure svg use", "all => all.map(each => getComputedStyle(each).stroke)"
    )
    assert uses
    assert "rgb(26, 26, 26)" not in uses


def test_without_scripts_the_page_says_everything(visit: Open, main_report: Made) -> None:
    page = visit(main_report.path, java_script_enabled=False).page
    said = page.inner_text("body")
    assert "half-normal(0.1)" in said
    assert main_report.content["evidence"]["caveat"] in said
    assert "With scripts switched off" in said
    assert not page.is_visible("#knobs")
    assert page.locator("#now").is_visible()


def test_hostile_words_stay_words(visit: Open, tmp_path: Path) -> None:
    names = [
        "<script>document.title='owned'</script>",
        '"><img src=x onerror="document.title=\'owned\'">',
        "javascript:document.title='owned'",
        "\u202egnorw\u202c \u05d0\u05d1",
        "</script><script>document.title='owned'</script>",
        "Huge " + "x" * 5000,
    ]
    frame = pd.DataFrame(
        {
            "study": names,
            "effect": [0.4, 0.1, -0.2, 0.3, 0.2, 0.1],
            "se": [0.1, 0.2, 0.15, 0.3, 0.2, 0.2],
            "note": names,
            "locator": names,
        }
    )
    evidence = brw.Evidence.from_frame(frame, measure="log_odds_ratio", benefit="higher")
    (analysis,) = default_analyses(evidence)
    asked = (Estimand("pooled", "mu"), Estimand("new setting", "theta_new"))
    hostile = replace(analysis, title=names[4], question=names[0], estimand=asked)
    report = made(run(hostile, evidence), tmp_path)
    found = visit(report.path)
    page = found.page
    for place in range(1, len(report.content["explore"]["left_out"])):
        page.select_option("#knob-left", value=str(place))
    assert page.title() == names[4]
    assert found.said == []
    assert found.requests == [report.path.as_uri()]
    heads = page.locator("table.sortable tbody th").all_inner_texts()
    # Marks that turn text around are taken out where rows are read.
    assert heads == [" ".join(plain(name).split()) for name in names]
    assert page.locator("a[href^='javascript']").count() == 0
    assert page.locator("img").count() == 0
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_the_index_leads_to_every_page(visit: Open, main_report: Made, tmp_path: Path) -> None:
    pooled = {**main_report.content["pooled"], "which": "each study once"}
    other = {**main_report.content, "id": "other", "title": "Other", "pooled": pooled}
    path = tmp_path / "index.html"
    path.write_text(render_index([main_report.content, other]), encoding="utf-8")
    for width in (*WIDTHS, 768):
        found = visit(path, viewport={"width": width, "height": 800}, bypass_csp=True)
        links = found.page.eval_on_selector_all("a", "all => all.map(a => a.getAttribute('href'))")
        assert links == ["time-to-rtw/report.html", "other/report.html"]
        assert found.page.evaluate("document.documentElement.scrollWidth") <= width
        assert "each study once" in found.page.inner_text("main, body")
        if width >= 768:  # the answer stands within the page, whatever goes on beyond its edge
            chance = "document.querySelectorAll('th.num')[1].getBoundingClientRect().right"
            assert found.page.evaluate(chance) <= width
        if width == max(WIDTHS):
            frame = "document.querySelector('table').parentElement"
            assert found.page.evaluate(f"{frame}.scrollWidth - {frame}.clientWidth") == 0
        grave = [
            e["id"] for e in Axe().run(found.page).response["violations"] if e["impact"] in GRAVE
        ]
        assert grave == []


def test_sets_of_parts_add_up_to_what_python_expects(visit: Open, tmp_path: Path) -> None:
    synthesis = brw.run(brw.open_analysis("at-work-components"))
    path = tmp_path / "report.html"
    path.write_text(page_of(synthesis, record(synthesis, alternatives=False)), encoding="utf-8")
    page = visit(path).page
    answer = page.locator("#sets-answer")
    assert answer.inner_text() == "Nothing is chosen."
    titles = {part.name: part.title for part in synthesis.evidence.coding.parts}
    sides = {
        "arm": ("coordination", "exercise", "workplace_contact"),
        "against": ("coordination", "education"),
    }
    for side, names in sides.items():
        for name in names:
            label = page.locator("#sets label", has_text=titles[name])
            label.locator(f'[data-side="{side}"]').check()
    at = {"parts_t": " + ".join(sides["arm"]), "parts_c": " + ".join(sides["against"])}
    row = brw.predict(synthesis, at=at).iloc[0]
    middle, low, high = (effect(float(row[name])) for name in ("median", "lower", "upper"))
    chance = spell_probability(float(row["probability"]))
    assert f"Risk ratio: {middle} (95 % credible interval {low} to {high})" in answer.inner_text()
    assert f"P(benefit): {chance}." in answer.inner_text()
    left, right = (effect(float(row[name])) for name in ("new_lower", "new_upper"))
    assert f"In a new setting: {left} to {right}." in answer.inner_text()
    small = {"width": 360, "height": 800}
    for scheme in ("light", "dark"):
        page = visit(path, viewport=small, color_scheme=scheme, bypass_csp=True).page
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        found = Axe().run(page).response["violations"]
        grave = [
            (each["id"], each["nodes"][0]["html"]) for each in found if each["impact"] in GRAVE
        ]
        assert grave == []
