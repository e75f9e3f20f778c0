"""Cells that a spreadsheet would run are written as text, and come back as they were."""

from hypothesis import given
from hypothesis import strategies as st

from bayesrtw.errors import Faults, SpecError
from bayesrtw.evidence.cells import Table, guarded, read_table, unguarded
from bayesrtw.reading.write import _csv


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
