"""What changed, as blocks: a page and Markdown say the same of one difference, and data stay data."""

from typing import Any

from bayesrtw.report.block import Heading, Styled, Tabular, plain
from bayesrtw.report.change import change
from bayesrtw.report.markdown import change_as_markdown
from bayesrtw.report.numbers import Printer

HOSTILE = "# not a heading | @everyone #12 **bold** <b>"


def difference(**changed: Any) -> dict[str, Any]:
    """Make a difference with one new row, whose name is hostile."""
    return {
        "title": "Mine",
        "from": "000001-aaaa",
        "label": "new results",
        "conclusion": {
            "old": "probably a benefit",
            "new": "a benefit",
            "changed": True,
            "benefit": 0.997,
            "harm": 0.003,
            "opposite": 0.1,
            "spread": [],
            "sceptical": None,
            "robustness": {"variants": 2, "same": 1, "others": {HOSTILE: "unclear"}},
            "outlook": None,
        },
        "conflicts": [],
        "set_aside": [{"text": "old", "new": False}, {"text": HOSTILE, "new": True}],
        "results": [
            {
                "estimand": "mu",
                "number": "mean",
                "old": 0.1,
                "new": -0.2,
                "change": -0.3,
                "moved": True,
            },
            {
                "estimand": "mu",
                "number": "sd",
                "old": 0.1,
                "new": 0.1,
                "change": 0.0,
                "moved": False,
            },
        ],
        "inputs": {
            "added": [{"row": HOSTILE, "study": "S", "effect": -0.1, "se": 0.2}],
            "withdrawn": [],
            "corrected": [],
            "versions": [],
            "method": {},
        },
        "surprise": [],
        "drift": None,
        "attribution": None,
        "left_out": [],
        "notes": [],
        **changed,
    }


def test_a_page_and_markdown_show_the_same_tables():
    n = Printer.none()
    blocks = change(difference())
    tables = {each.label: each for each in blocks if isinstance(each, Tabular)}
    assert [plain(cell, n) for cell in tables["Results"].rows[0]] == [
        "mu",
        "mean",
        "0.1",
        "−0.2",
        "−0.3",
    ]
    assert plain(tables["New results"].rows[0][0], n) == HOSTILE
    written = change_as_markdown(difference())
    assert "| mu | mean | 0.1 | −0.2 | −0.3 |" in written
    assert "1 other number(s) moved by less" in written
    headings = [each.text for each in blocks if isinstance(each, Heading)]
    assert [line[3:] for line in written.splitlines() if line.startswith("## ")] == headings


def test_words_from_data_are_no_markup_mention_or_reference():
    written = change_as_markdown(difference(), headline=HOSTILE, caveat=HOSTILE)
    assert written.count("\\# not a heading \\| &#64;everyone \\#12 \\*\\*bold\\*\\* \\<b\\>") == 5
    assert "@" not in written
    assert "**The conclusion changed: probably a benefit to a benefit.**" in written


def test_the_class_is_strong_and_certainty_is_not_claimed():
    first = change(difference())[0]
    assert isinstance(first.text[0], Styled)
    assert (
        r"P(benefit) \>0.99, P(harm) \<0.01; in a new setting P(harm) = 0.10."
        in change_as_markdown(difference())
    )


def test_a_first_run_is_compared_with_nothing():
    found = change(difference(**{"from": None}))
    assert not any(isinstance(each, Tabular) for each in found)
