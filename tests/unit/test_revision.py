"""Rows that are corrected, withdrawn or unsigned, and that priors never look at the data."""

import dataclasses
import inspect

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from bayesrtw.analysis.catalog import analysis_ids, open_analysis, open_dataset
from bayesrtw.analysis.query import selected
from bayesrtw.errors import EvidenceError
from bayesrtw.model.design import build, build_curved, curved
from bayesrtw.reading.read import read_csv
from bayesrtw.registry import kinds

HEAD = "result,study,effect,se,corrects,withdrawn,extracted_by,signed_by\n"
FIRST = "r1,A,0.1,0.1,,,,\n"


def causes(tmp_path, *rows):
    path = tmp_path / "x.csv"
    path.write_text(HEAD + FIRST + "".join(f"{row}\n" for row in rows))
    data = read_csv(path).data
    return list(data["quarantined"].to_numpy()) if "quarantined" in data else []


def test_rows_are_set_aside_with_their_cause(tmp_path):
    found = causes(
        tmp_path,
        "r2,B,0.2,0.1,,,,",
        "r3,B,0.3,0.1,r2,,,",
        "r4,C,0.2,0.1,,retracted,,",
        "r5,D,0.2,0.1,,,machine reader,",
        "r6,E,0.2,0.1,,,Machine reader,Ann",
        "r7,F,0.2,0.1,,,Bob,",
    )
    assert found == [
        "",
        "corrected by row 'r3'",
        "",
        "withdrawn: retracted",
        "extracted by a machine and signed by nobody (machine reader)",
        "",
        "",
    ]


def test_columns_that_say_nothing_change_nothing(tmp_path):
    assert causes(tmp_path, "r2,B,0.2,0.1,,,,") == []


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            "r2,B,0.2,0.1,r9,,,",
            "corrects is 'r9'; no row has that result; found 'r1', 'r2'",
        ),
        ("r2,B,0.2,0.1,r2,,,", "row 3: corrects itself"),
        ("r2,B,0.2,0.1,r1,,,\nr3,B,0.3,0.1,r1,,,", "rows 3 and 4: both correct 'r1'"),
        (
            "r2,B,0.2,0.1,,,machine,machine two",
            "signed_by is 'machine two'; a person signs",
        ),
    ],
)
def test_corrections_and_signatures_that_make_no_sense_are_faults(tmp_path, row, message):
    with pytest.raises(EvidenceError) as error:
        causes(tmp_path, row)
    assert message in str(error.value)


@pytest.mark.parametrize("name", analysis_ids())
def test_priors_never_look_at_effects_or_standard_errors(name):
    """Other effects and precisions, the same rows: every prior is the same."""
    analysis = open_analysis(name)
    rows = selected(analysis, open_dataset(analysis.evidence.dataset)).evidence
    effect, se = rows.data["effect"], rows.data["se"]
    other = dataclasses.replace(
        rows, data=rows.data.assign(effect=3.0 - 2.0 * effect, se=1.7 * se), dependence=()
    )
    plain = dataclasses.replace(rows, dependence=())
    first, second = (
        build_curved(analysis.model, each).near
        if curved(analysis.model, each)
        else build(analysis.model, each, levels=True)
        for each in (plain, other)
    )
    assert_array_equal(first.mean, second.mean)
    assert_array_equal(first.precision, second.precision)
    assert_array_equal(first.columns, second.columns)
    assert first.hyper == second.hyper


@pytest.mark.parametrize("kind", kinds("prior"))
def test_no_prior_takes_evidence(kind):
    """A prior is made of numbers, and its methods are asked about numbers or a name."""
    cls = kinds("prior")[kind]
    for field in dataclasses.fields(cls):
        assert "Evidence" not in str(field.type)
    for name in ("logpdf", "ppf", "pymc"):
        assert list(inspect.signature(getattr(cls, name)).parameters) in (
            ["self", "x"],
            ["self", "q"],
            ["self", "name"],
        )
    assert np.isscalar(cls.__doc__)
