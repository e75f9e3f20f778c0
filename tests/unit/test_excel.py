"""Excel workbooks: the same evidence as a CSV file of the same cells, and the same faults."""

import hashlib
import io
import zipfile
from datetime import date, datetime

import numpy as np
import pytest
from openpyxl import Workbook

from bayesrtw.analysis.catalog import open_dataset
from bayesrtw.doubt.inspect import inspect
from bayesrtw.errors import EvidenceError
from bayesrtw.reading import excel
from bayesrtw.reading.read import read_csv

HEAD = ["study", "events_t", "n_t", "events_c", "n_c", "note"]
ROWS = [["Ærø", 3, 10, 2, 11, None], [None] * 6, ["Bo", 4.5, 20, 5, 21, "a\nb"]]


def book(tmp_path, rows, name="my.xlsx"):
    made = Workbook()
    for row in rows:
        made.active.append(row)
    path = tmp_path / name
    made.save(path)
    return path


def changed(path, part, old, new):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    assert old in members[part]
    members[part] = members[part].replace(old, new)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_sheet_reads_as_the_csv_file_of_its_cells(tmp_path):
    found = open_dataset(book(tmp_path, [HEAD, *ROWS]))
    path = tmp_path / "my.csv"
    path.write_text(",".join(HEAD) + "\nÆrø,3,10,2,11,\n\nBo,4.5,20,5,21,a b\n", "utf-8")
    assert found.digest() == read_csv(path).digest()
    assert found.provenance.title == "my.xlsx"
    assert len(found.provenance.sha256) == 64


def test_numbers_keep_all_their_digits(tmp_path):
    value = 1 / 3  # openpyxl writes 16 digits
    found = open_dataset(book(tmp_path, [["study", "effect", "se"], ["A", value, 1e-7]]))
    assert found.data["effect"].to_numpy().tolist() == [value]
    assert found.data["se"].to_numpy().tolist() == [1e-7]


def test_a_row_with_a_fault_is_left_out_and_named_as_of_a_csv_file(tmp_path):
    head = ["study", "effect", "se", "benefit"]
    path = book(tmp_path, [head, ["A", 1, 1, "higher"], ["B", 1, -1, "higher"]])
    found = open_dataset(path, strict=False)
    assert found.size == 1
    (named,) = found.quarantined
    assert named.startswith("my.xlsx: row 3 (study='B'): se must be positive")
    assert found.provenance.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    table = tmp_path / "my.csv"
    table.write_text("study,effect,se,benefit\nA,1,1,higher\nB,1,-1,higher\n")
    told = [[(each.rule, each.row) for each in inspect(source).doubts] for source in (path, table)]
    assert told[0] == told[1]
    assert ("not-positive", 3) in told[0]


def test_dates_and_truth_values_are_written_out(tmp_path):
    cells = ["A", 1, 1, date(2020, 1, 2), datetime(2020, 1, 2, 3, 4), True]
    head = ["study", "effect", "se", "day", "moment", "reversed"]
    found = open_dataset(book(tmp_path, [head, cells]))
    texts = [str(found.data[name].to_numpy()[0]) for name in head[3:]]
    assert texts == ["2020-01-02", "2020-01-02T03:04:00", "yes"]
    np.testing.assert_array_equal(found.data["effect"], [-1.0])


def test_faults_name_the_rows_of_the_sheet(tmp_path):
    rows = [HEAD, *ROWS, ["Cy", 9, 5, 1, 5, None], ["Di", "x", 5, 1, 5, None]]
    with pytest.raises(EvidenceError) as caught:
        open_dataset(book(tmp_path, rows))
    assert "my.xlsx: row 5 (study='Cy'): events_t must lie between 0 and n_t" in str(caught.value)
    assert "my.xlsx: row 6 (study='Di'): events_t must be a number; found 'x'" in str(caught.value)


def test_formulas_without_results_are_named(tmp_path):
    with pytest.raises(EvidenceError, match="cells B2, C2 hold formulas without saved results"):
        open_dataset(book(tmp_path, [["study", "effect", "se"], ["A", "=1+1", "=SQRT(2)"]]))


def test_results_of_formulas_are_read(tmp_path):
    path = book(tmp_path, [["study", "effect", "se"], ["A", "=1+1", 1]])
    with zipfile.ZipFile(path) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml")
    empty = b"<v />" if b"<v />" in sheet else b"<v></v>" if b"<v></v>" in sheet else b"<v/>"
    changed(path, "xl/worksheets/sheet1.xml", empty, b"<v>2</v>")
    np.testing.assert_array_equal(open_dataset(path).data["effect"], [2.0])


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/workbook.xml"])
def test_entities_are_refused(tmp_path, part):
    path = book(tmp_path, [HEAD, *ROWS])
    with zipfile.ZipFile(path) as archive:
        root = archive.read(part).partition(b"<")[2].partition(b" ")[0]
    doctype = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><' + root
    changed(path, part, b"<" + root, doctype)
    with pytest.raises(EvidenceError, match="declares a document type or entities"):
        open_dataset(path)


def test_a_sheet_that_claims_to_be_endless_is_read_to_its_end(tmp_path):
    path = book(tmp_path, [["study", "effect", "se"], ["A", 1, 1]])
    changed(path, "xl/worksheets/sheet1.xml", b"A1:C2", b"A1:XFD1048576")
    assert open_dataset(path).size == 1


def test_what_is_too_large_is_not_unpacked(tmp_path, monkeypatch):
    path = book(tmp_path, [HEAD, *ROWS])
    monkeypatch.setattr(excel, "MOST_UNPACKED", 1000)
    with pytest.raises(
        EvidenceError, match=r"unpacks to 0 MB; at most 0 MB are read\. Save the sheet"
    ):
        open_dataset(path)
    monkeypatch.undo()
    monkeypatch.setattr(excel, "MOST_COLUMNS", 3)
    with pytest.raises(EvidenceError, match="more than 100000 rows or 3 columns"):
        open_dataset(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no readable workbook"),
        (b"study,effect,se\n", "is no readable workbook"),
        ({"a.txt": b"x"}, r"is no \.xlsx workbook"),
        ({"[Content_Types].xml": b"<Types/>"}, "is no readable workbook"),
    ],
)
def test_files_that_are_no_workbook(tmp_path, content, message):
    path = tmp_path / "x.xlsx"
    if isinstance(content, dict):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, raw in content.items():
                archive.writestr(name, raw)
        content = buffer.getvalue()
    path.write_bytes(content)
    with pytest.raises(EvidenceError, match=message):
        open_dataset(path)


def test_a_part_that_breaks_off_is_named_whatever_parses_it(tmp_path):
    """openpyxl parses with lxml where that is installed, whose error is not that of the standard library."""
    path = changed(book(tmp_path, [HEAD, *ROWS]), "xl/workbook.xml", b"</workbook>", b"")
    with pytest.raises(EvidenceError, match="is no readable workbook"):
        open_dataset(path)


def test_an_empty_sheet_says_so(tmp_path):
    with pytest.raises(EvidenceError, match=r"my\.xlsx: is empty"):
        open_dataset(book(tmp_path, []))
