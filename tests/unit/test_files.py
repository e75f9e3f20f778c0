"""Files of other programs, written by other libraries or by their published layout, give the same rows.

SPSS, SAS and Stata files come from pyreadstat, workbooks from openpyxl; the OpenDocument table and the
files of R are put together here: ISO/IEC 26300-1, and *R Internals*, section 1.8, "Serialization Formats".
"""

import gzip
import struct
import sys
import zipfile

import openpyxl
import pandas as pd
import pyreadstat
import pytest
from numpy.testing import assert_allclose

import bayesrtw as brw
from bayesrtw.errors import EvidenceError

STUDY = ["Ærø 2001", "Bø 2003", "Céline 2005"]
EFFECT, VARIANCE = [-0.412, 0.125, -0.583], [0.0365, 0.0207, 0.0586]
FRAME = pd.DataFrame({"study": STUDY, "yi": EFFECT, "vi": VARIANCE})


def xlsx(path):
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(list(FRAME))
    for row in FRAME.itertuples(index=False):
        sheet.append(list(row))
    book.save(path)


def ods(path):
    def cell(value):
        if isinstance(value, str):
            kind = 'office:value-type="string"'
        else:
            kind = f'office:value-type="float" office:value="{value!r}"'
        return f"<table:table-cell {kind}><text:p>{value}</text:p></table:table-cell>"

    rows = [list(FRAME), *FRAME.to_numpy().tolist()]
    written = "".join(
        f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in rows
    )
    space = "urn:oasis:names:tc:opendocument:xmlns:"
    names = " ".join(f'xmlns:{each}="{space}{each}:1.0"' for each in ("office", "table", "text"))
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {names}><office:body>'
        f'<office:spreadsheet><table:table table:name="Data">{written}</table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", content)
        archive.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
        )


def word(text):
    raw = text.encode()
    return struct.pack(">ii", 9 | 8 << 12, len(raw)) + raw  # CHARSXP, marked as UTF-8


def words(values):
    return struct.pack(">ii", 16, len(values)) + b"".join(map(word, values))


def reals(values):
    return struct.pack(f">ii{len(values)}d", 14, len(values), *values)


def tagged(name, value):
    return struct.pack(">ii", 0x402, 1) + word(name) + value  # an element of a pairlist


def data_frame():
    columns = words(STUDY) + reals(EFFECT) + reals(VARIANCE)
    rows = struct.pack(">iiii", 13, 2, -(2**31), -len(STUDY))  # compact row names: NA, -n
    attributes = tagged("names", words(list(FRAME))) + tagged("class", words(["data.frame"]))
    attributes += tagged("row.names", rows) + struct.pack(">i", 0xFE)
    return struct.pack(">ii", 0x313, 3) + columns + attributes


XDR = b"X\n" + struct.pack(">iii", 2, 0x00030500, 0x00020300)


def rds(path):
    path.write_bytes(gzip.compress(XDR + data_frame()))


def rda(path):
    path.write_bytes(b"RDX2\n" + XDR + tagged("dat", data_frame()) + struct.pack(">i", 0xFE))


WRITERS = {
    ".sav": lambda path: pyreadstat.write_sav(FRAME, str(path)),
    ".zsav": lambda path: pyreadstat.write_sav(FRAME, str(path), compress=True),
    ".por": lambda path: pyreadstat.write_por(FRAME.assign(study=["A", "B", "C"]), str(path)),
    ".xpt": lambda path: pyreadstat.write_xport(FRAME, str(path), file_format_version=5),
    ".dta": lambda path: pyreadstat.write_dta(FRAME, str(path)),
    ".xlsx": xlsx,
    ".ods": ods,
    ".rds": rds,
    ".rda": rda,
}

#: What the libraries of `bayesrtw[files]` are called, by the files that need them.
NEEDS = {
    ".sav": ("pyreadstat", "an SPSS file"),
    ".zsav": ("pyreadstat", "an SPSS file"),
    ".por": ("pyreadstat", "an SPSS file"),
    ".ods": ("python_calamine", "an OpenDocument table"),
    ".rds": ("rdata", "a file of R"),
    ".rda": ("rdata", "a file of R"),
}


@pytest.mark.parametrize("ending", WRITERS)
def test_a_file_gives_its_rows(tmp_path, ending):
    path = tmp_path / f"table{ending}"
    WRITERS[ending](path)
    evidence = brw.open_dataset(path)
    # SPSS's portable files and SAS's transport files keep numbers in base 30 and base 16.
    assert_allclose(evidence.data["effect"], EFFECT, rtol=1e-9)
    assert_allclose(evidence.data["se"] ** 2, VARIANCE, rtol=1e-9)
    if ending != ".por":  # which has no signs beyond ASCII
        assert evidence.data["study"].to_numpy().tolist() == STUDY


@pytest.mark.parametrize("ending", NEEDS)
def test_without_its_library_a_file_is_named_with_what_to_do(tmp_path, ending, monkeypatch):
    path = tmp_path / f"table{ending}"
    WRITERS[ending](path)
    library, what = NEEDS[ending]
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(EvidenceError) as caught:
        brw.open_dataset(path)
    (message,) = str(caught.value).splitlines()
    assert message.startswith(f"table{ending}: is {what} ({ending}), which ")
    assert "install bayesrtw[files], or export it as CSV or .xlsx (" in message


@pytest.mark.parametrize("ending", sorted(set(WRITERS) - {".xlsx"}))
def test_half_a_file_ends_in_one_message(tmp_path, ending):
    path = tmp_path / f"table{ending}"
    WRITERS[ending](path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(EvidenceError) as caught:
        brw.open_dataset(path)
    assert len(str(caught.value).splitlines()) == 1
    assert str(caught.value).startswith(f"table{ending}: ")
