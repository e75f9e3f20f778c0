"""The pages of the documentation in a real browser, as a reader has them.

They are opened where they have been built (`uv run --group docs sphinx-build -W docs docs/_build/html`;
`.ci/run` does it before it runs the tests) and are skipped elsewhere. Every page is opened at the width of
a phone. Of the reference, whose pages come from one template, three are opened: a class, a function and
a picture.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from built_site import SITE, where_built
from playwright.sync_api import Browser, ConsoleMessage, Page

pytestmark = [pytest.mark.browser, where_built]

#: Grave enough to stop somebody from reading the page.
GRAVE = ("serious", "critical")

#: Pages of the reference that stand for all others of their kind.
REFERENCE = ("bayesrtw.Evidence", "bayesrtw.fit", "bayesrtw.plot_forest")

#: Pages that are looked at in dark colours too: every kind of content stands on one of them.
DARK = (
    "index", "start/spreadsheet", "tutorials/moderators", "tutorials/living-review", "how/index",
    "generated/term", "generated/cli", "generated/gallery/index", "generated/gallery/plot_forest",
    "generated/api/bayesrtw.fit",
)  # fmt: skip

PHONE = {"width": 360, "height": 800}


def pages() -> list[str]:
    found = [
        path.relative_to(SITE).with_suffix("").as_posix()
        for path in SITE.rglob("*.html")
        if "_static" not in path.parts and (path.parent.name != "api" or path.stem in REFERENCE)
    ]
    return sorted(found)


@dataclass
class Reader:
    """One page of the browser, which goes from page to page and notes what happens."""

    page: Page
    faults: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(message.text)

    def opens(self, name: str) -> None:
        self.faults.clear()
        self.asked.clear()
        self.page.goto((SITE / f"{name}.html").as_uri())


@pytest.fixture(scope="module")
def reader(browser: Browser) -> Iterator[Reader]:
    context = browser.new_context(viewport=PHONE, bypass_csp=True)
    found = Reader(context.new_page())
    found.page.on("console", found.heard)
    found.page.on("pageerror", lambda error: found.faults.append(str(error)))
    found.page.on("request", lambda request: found.asked.append(request.url))
    found.page.on("requestfailed", lambda request: found.faults.append(f"failed {request.url}"))
    yield found
    context.close()


def barriers(page: Page) -> list[tuple[str, str]]:
    violations = Axe().run(page).response["violations"]
    return [
        (each["id"], each["nodes"][0]["html"]) for each in violations if each["impact"] in GRAVE
    ]


def strangers(asked: list[str]) -> list[str]:
    """Requests that leave the folder of the site, or ask for a file that it does not have."""
    inside = SITE.as_uri()
    return [
        url
        for url in asked
        if not url.startswith("data:")
        and not (url.startswith(inside) and Path(unquote(urlsplit(url).path)).exists())
    ]


@pytest.mark.parametrize("name", pages())
def test_a_page_is_whole_and_read_on_a_phone(reader: Reader, name: str) -> None:
    reader.page.emulate_media(color_scheme="light")
    reader.opens(name)
    page = reader.page
    assert reader.faults == []
    assert strangers(reader.asked) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    # What stands out of the page on the right stands in something that scrolls.
    cut = page.evaluate(
        """() => [...document.querySelectorAll('.bd-article *')].filter(node => {
             const box = node.getBoundingClientRect();
             if (box.width === 0 || box.right <= innerWidth + 1) return false;
             for (let up = node; up && up !== document.body; up = up.parentElement)
               if (['auto', 'scroll'].includes(getComputedStyle(up).overflowX)
                   && up.getBoundingClientRect().right <= innerWidth + 1) return false;
             return true;
           }).map(node => node.outerHTML.slice(0, 100))"""
    )
    assert cut == []
    wordless = page.evaluate(
        """() => [...document.querySelectorAll('.bd-article img')].filter(image =>
             !image.hasAttribute('alt') || /[.](png|svg)$/.test(image.alt) ||
             (image.alt === '' && !image.closest('.sphx-glr-thumbcontainer'))
           ).map(image => image.src)"""
    )
    assert wordless == []
    assert barriers(page) == []


@pytest.mark.parametrize("name", DARK)
def test_no_serious_barrier_in_dark_colours(reader: Reader, name: str) -> None:
    reader.page.emulate_media(color_scheme="dark")
    reader.opens(name)
    assert reader.page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert barriers(reader.page) == []


def test_every_section_is_reached_from_the_front_page_by_its_name(reader: Reader) -> None:
    reader.opens("index")
    reader.page.set_viewport_size({"width": 1280, "height": 900})
    bar = reader.page.locator(".bd-header .navbar-nav .nav-link")
    names = [text.strip() for text in bar.all_inner_texts()]
    assert names == [
        "Start", "Tutorials", "Other systems", "Gallery", "How it works", "Reference", "Trust", "Contribute",
    ]  # fmt: skip
    picture = reader.page.locator(".bd-article img").bounding_box()
    assert picture is not None
    assert picture["y"] + picture["height"] <= 900  # the first screen holds the picture, whole
    reader.page.set_viewport_size(PHONE)


def test_the_search_finds_a_word_without_a_network(reader: Reader) -> None:
    reader.opens("search")
    reader.page.goto((SITE / "search.html").as_uri() + "?q=heterogeneity")
    reader.page.wait_for_selector("#search-results li a", timeout=10_000)
    assert strangers([url.split("?")[0] for url in reader.asked]) == []
