"""A page of a stored run tells what its document says: numbers, how they are printed, and the class."""

import re
from types import SimpleNamespace

import pytest

from bayesrtw.living.told import untold
from bayesrtw.report.document import as_json
from bayesrtw.report.html import render_html


@pytest.fixture
def kept(plain, tmp_path):
    _, content = plain
    (tmp_path / "synthesis.json").write_text(as_json(content), encoding="utf-8")
    (tmp_path / "report.html").write_text(render_html(content), encoding="utf-8")
    return tmp_path


def said(folder):
    return list(untold(SimpleNamespace(folder=folder)))


def forged(folder, change):
    page = folder / "report.html"
    old = page.read_text("utf-8")
    new = change(old)
    assert new != old
    page.write_text(new, encoding="utf-8")
    return said(folder)


def test_a_page_as_it_was_written_is_held(kept):
    assert said(kept) == []


def test_a_run_without_a_page_has_nothing_to_hold(kept):
    (kept / "report.html").unlink()
    assert said(kept) == []


def test_a_number_that_was_changed_is_named(kept):
    probability = r'(data-path="/estimates/mu/probability"[^>]*)(>)[^<]*<'
    [text] = forged(kept, lambda page: re.sub(probability, r"\g<1>\g<2>0.01<", page, count=1))
    assert "/estimates/mu/probability is printed as 0.01, and is " in text


def test_a_value_that_was_changed_is_named(kept):
    value = r'(data-path="/estimates/mu/probability"[^>]*) value="[^"]*"'
    [text] = forged(kept, lambda page: re.sub(value, r'\g<1> value="0.01"', page))
    assert "/estimates/mu/probability is 0.01 on the page and 0.9" in text


def test_another_class_is_named(kept, plain):
    name = plain[1]["conclusion"]
    assert name
    found = forged(kept, lambda page: page.replace(name, "harm more likely than not"))
    assert f"does not name the class of synthesis.json, '{name}'." in found[-1]


@pytest.mark.parametrize("page", ["", "<p>All is well.</p>"])
def test_another_page_is_named(kept, page):
    assert "no number with its place" in forged(kept, lambda _: page)[0]


def test_digits_of_another_version_are_its_own_and_values_are_not(kept):
    document = kept / "synthesis.json"
    text = document.read_text("utf-8")
    document.write_text(
        re.sub(r'"bayesrtw": "[^"]*"', '"bayesrtw": "0.0.1"', text), encoding="utf-8"
    )
    style = r'(data-path="/estimates/mu/probability"[^>]*)>([^<]*)<'
    assert forged(kept, lambda page: re.sub(style, r"\g<1>>\g<2>0<", page)) == []
    value = r'(data-path="/estimates/mu/probability"[^>]*) value="[^"]*"'
    assert forged(kept, lambda page: re.sub(value, r'\g<1> value="0.01"', page))


def test_a_document_that_is_torn_is_named(kept):
    (kept / "synthesis.json").write_text("{}", encoding="utf-8")
    [text] = said(kept)
    assert "report.html cannot be held against synthesis.json" in text
