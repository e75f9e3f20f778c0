"""The built pages without a browser: every link and every anchor of the site leads somewhere.

Skipped where the pages are not built; `.ci/run` builds them before it runs the tests.
"""

import json
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from built_site import ROOT, SITE, where_built

import bayesrtw as brw
from bayesrtw.analysis.schema import json_schema

DOCS = ROOT / "docs"

pytestmark = where_built


class Found(HTMLParser):
    """Names that can be linked to, and what a page links to."""

    def __init__(self):
        super().__init__()
        self.names = set()
        self.links = []

    def handle_starttag(self, tag, attrs):
        held = dict(attrs)
        self.names |= {held[key] for key in ("id", "name") if held.get(key)}
        for key in ("href", "src"):
            if held.get(key) and tag != "base":
                self.links.append(held[key])


@cache
def read(path):
    found = Found()
    found.feed(path.read_text(encoding="utf-8"))
    return found


def html():
    return [path for path in sorted(SITE.rglob("*.html")) if "_static" not in path.parts]


def test_every_link_and_every_anchor_leads_somewhere():
    wrong, checked = [], 0
    for page in html():
        for link in read(page).links:
            parts = urlsplit(link)
            if parts.scheme or link == "#":
                continue
            checked += 1
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            if not target.exists():
                wrong.append(f"{page.relative_to(SITE)}: {link}")
            elif parts.fragment and target.suffix == ".html":
                named = unquote(parts.fragment) in read(target).names
                wrong += [] if named else [f"{page.relative_to(SITE)}: {link}"]
    assert wrong == []
    assert checked > 1000


def test_every_link_that_leaves_the_site_is_encrypted():
    leaving = {
        link
        for page in html()
        for link in read(page).links
        if urlsplit(link).scheme not in ("", "data")
    }
    assert {urlsplit(link).scheme for link in leaving} <= {"https", "mailto"}


def test_nothing_that_a_page_loads_comes_from_elsewhere():
    loaded = [
        link
        for page in html()
        for link in read(page).links
        if urlsplit(link).scheme and Path(urlsplit(link).path).suffix in {".js", ".css", ".woff2"}
    ]
    assert loaded == []


def test_every_public_name_has_a_page_with_its_parameters():
    bare = []
    for name in brw.__all__:
        page = SITE / "generated" / "api" / f"bayesrtw.{name}.html"
        if not page.exists() or f"bayesrtw.{name}" not in page.read_text(encoding="utf-8"):
            bare.append(name)
    assert bare == []


def test_every_picture_of_the_gallery_is_shown_and_named_on_the_page_of_its_function():
    scripts = sorted(path.stem for path in (DOCS / "gallery").glob("plot_*.py"))
    built = SITE / "generated"
    for name in scripts:
        page = (built / "gallery" / f"{name}.html").read_text(encoding="utf-8")
        assert f"sphx_glr_{name}_001" in page
        if name in brw.__all__:
            own = (built / "api" / f"bayesrtw.{name}.html").read_text(encoding="utf-8")
            assert f"gallery/{name}.html" in own


def test_the_schema_that_can_be_downloaded_is_that_of_the_package():
    (path,) = SITE.glob("_downloads/*/analysis.schema.json")
    assert json.loads(path.read_text(encoding="utf-8")) == json_schema()
