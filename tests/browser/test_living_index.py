"""The living index page in a real browser: what it says, what it asks for, who can use it."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from pages import Visit

from bayesrtw.living import index, publish, refit, store, update

pytestmark = pytest.mark.browser

WIDTHS = (360, 1280)

TOML = """
schema = 1
id = "{id}"
title = "{id}, <b>and</b> what came of it"
question = "Does it?"
seed = 7

[evidence]
dataset = "{data}"
measure = "log_hazard_ratio"

[[term]]
kind = "intercept"
prior = {{ kind = "normal", sd = 0.5 }}

[[term]]
kind = "exchangeable"
tau = {{ kind = "half_normal", scale = 0.25 }}

[engine]
kind = "exact"
draws = 10

[schedule]
every_days = 30
"""
HEAD = "study,measure,effect,se,benefit\n"
ROWS = [f"S{place},log_hazard_ratio,{0.1 * (place % 3)},0.15" for place in range(6)]

Open = Callable[..., Visit]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A series with a changed class, a draft, a refusal, a stale analysis, and a damaged one."""
    folder = tmp_path_factory.mktemp("living")
    where, real = folder / "store", store.now
    opened = store.open_store(where, create=True)

    def bring(name: str, rows: list[str], days: float) -> None:
        date = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
        data = folder / f"{name}.csv"
        data.write_text(HEAD + "".join(f"{row},higher\n" for row in rows))
        toml = folder / f"{name}.toml"
        toml.write_text(TOML.format(id=name, data=data))
        with pytest.MonkeyPatch.context() as patch:
            for module in (store, refit):
                patch.setattr(module, "now", lambda: date)
            patch.setattr("bayesrtw.living.journal.now", lambda: date)
            patch.setattr("bayesrtw.report.figures.forests", lambda *_: {})
            update.renew(update.Task(name=str(toml), store=where, report=False))

    for place in (3, 5, 6):
        bring("series", ROWS[:place], 60 - place)
    bring("series", [*ROWS, "X,log_hazard_ratio,-0.9,0.05"], 10)
    draft = store.find_run(opened, "series")
    assert draft.manifest["status"] == "draft"
    publish.publish(opened, draft, by="A. Person")
    bring("series", [*ROWS[:2], "X,log_hazard_ratio,0.9,0.05"], 5)
    bring("late", ROWS[:4], 100)
    bring("refused", ROWS[:4], 20)
    bring("refused", [*ROWS[:3], "Z,log_hazard_ratio,0.1,-1"], 1)
    bring("damaged", ROWS[:4], 20)
    manifest = store.find_run(opened, "damaged").folder / "run.json"
    manifest.write_text(manifest.read_text().replace("created", "erected"))
    assert store.now is real
    index.write_index(opened, ["late"])
    return where / "index.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_no_barrier_no_sideways_scroll_and_no_request(
    visit: Open, page: Path, width: int, scheme: str
) -> None:
    size = {"width": width, "height": 800}
    found = visit(page, viewport=size, color_scheme=scheme, bypass_csp=True)
    for summary in found.page.locator("summary").all():
        summary.click()
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    assert [each["id"] for each in Axe().run(found.page).response["violations"]] == []
    assert found.requests == [page.as_uri()]


def test_what_needs_a_person_comes_first_and_says_what_to_do(visit: Open, page: Path) -> None:
    found = visit(page)
    assert found.said == []  # its policy lets its own script and style through
    names = found.page.eval_on_selector_all("article", "all => all.map(each => each.id)")
    assert names == ["damaged", "refused", "series", "late"]
    assert "4 analyses. 3 need a person: damaged, refused, series." in found.page.inner_text(
        "header"
    )
    assert "bayesrtw publish series/5 --by NAME" in found.page.inner_text("#series")
    assert "se must be positive; found -1" in found.page.inner_text("#refused")
    damaged = found.page.inner_text("#damaged")
    assert "is not as it was written" in damaged
    assert str(page.parent) not in damaged


def test_the_answer_is_that_of_the_run_that_stands(visit: Open, page: Path) -> None:
    said = visit(page).page.inner_text("#series")
    opened = store.open_store(page.parent)
    standing = store.find_run(opened, "series/4")
    result = standing.manifest["result"]
    assert result["headline"] in said
    assert result["class"] in said
    before = store.find_run(opened, "series/3").manifest["result"]["class"]
    assert f"since run 4 of {standing.manifest['created'][:10]}; before, {before}" in said
    assert "<b>and</b> what came of it" in said


def test_a_page_knows_when_it_has_become_stale(visit: Open, page: Path) -> None:
    found = visit(page).page
    assert found.locator("#late .stale").is_visible()
    assert found.locator(".stale:visible").count() == 1
    assert found.inner_text("p#late") == "1 analysis is stale."
    assert not visit(page, java_script_enabled=False).page.locator("#late .stale").is_visible()


def test_every_link_leads_somewhere_inside_the_store(visit: Open, page: Path) -> None:
    links = visit(page).page.eval_on_selector_all(
        "a", "all => all.map(a => a.getAttribute('href'))"
    )
    files = [link for link in links if not link.startswith("#")]
    assert len(files) > 3
    assert all((page.parent / link).is_file() for link in files)
    manifest = json.loads((page.parent / files[0]).parent.joinpath("run.json").read_text())
    assert (page.parent / files[0]).name in manifest["files"]
