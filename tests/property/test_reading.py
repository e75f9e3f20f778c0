"""However one table is written down, reading gives the same evidence or a question, never other numbers."""

import csv
import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bayesrtw.errors import EvidenceError, Faults
from bayesrtw.reading.flat import NOTHING, flat_table
from bayesrtw.reading.read import read_flat

STUDIES = ["Ærø 2001", "Bo 2003", "Céline 2005", "Dörfer 2009", "Åse 2010"]
EFFECT = [-0.412, 0.125, -0.583, 0.333, -1.25]
SE = [0.191, 0.144, 0.242, 0.173, 0.402]
PEOPLE = [121, 1340, 57, 88, 2310]

#: What may be written above a column: what it holds, and headings that say so, or say too little.
HEADINGS = {
    "study": ("study", "Study", "Author", "Studie", "STUDY NAME", "Forfatter"),
    "effect": ("effect", "yi", "TE", "Effect size", "MD", "SMD", "ES", "logOR", "value", "Effekt"),
    "se": ("se", "sei", "seTE", "SE", "Std. Error", "Standardfehler", "s.e.", "spread"),
    "variance": ("vi", "variance", "Var", "V", "Varianz", "Sampling variance"),
    "n": ("n", "N", "ni", "Sample size", "Total", "participants"),
}


def written(cells, comma):
    return [f"{cell:.6g}".replace(".", "," if comma else ".") for cell in cells]


@st.composite
def files(draw):
    comma = draw(st.booleans())
    mark = draw(st.sampled_from([";", "\t"] if comma else [",", ";", "\t"]))
    spread = draw(st.sampled_from(["se", "variance"]))
    columns = {
        "study": STUDIES,
        "effect": written(EFFECT, comma),
        spread: written(SE if spread == "se" else np.square(SE), comma),
        "n": [str(n) for n in PEOPLE],
    }
    order = draw(st.permutations(list(columns)))
    heads = [draw(st.sampled_from(HEADINGS[name])) for name in order]
    buffer = io.StringIO(newline="")
    quoting = draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    writer = csv.writer(buffer, delimiter=mark, quoting=quoting)
    if draw(st.booleans()):
        writer.writerow(["Table 1. All trials", *[""] * (len(order) - 1)])
    names = draw(st.booleans())
    writer.writerow([*[""] * names, *heads])
    for row in range(len(STUDIES)):
        writer.writerow([*[str(row + 1)] * names, *(columns[name][row] for name in order)])
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"]))
    return buffer.getvalue().encode(encoding)


class File:
    """What reading asks of a path."""

    name, suffix = "my.csv", ".csv"

    def __init__(self, raw):
        self.raw = raw

    def read_bytes(self):
        return self.raw


@given(raw=files())
def test_one_table_reads_the_same_however_it_is_written(raw):
    try:
        found = read_flat(File(raw))
    except EvidenceError:
        return  # a question; what is asked is tested elsewhere
    np.testing.assert_allclose(found.data["effect"], EFFECT, rtol=1e-5)
    se = found.data["se"].to_numpy()
    if not np.isnan(se).all():  # a column that nothing is known of is none
        np.testing.assert_allclose(se, SE, rtol=1e-5)
    assert sorted(map(str, found.data["study"].to_numpy())) == sorted(STUDIES)


@given(
    cells=st.lists(
        st.tuples(st.integers(0, 9), st.integers(10, 99), st.integers(0, 9), st.integers(10, 99)),
        min_size=2,
        max_size=6,
    ),
    swapped=st.booleans(),
    style=st.sampled_from(
        [
            ("Experimental Events", "Experimental Total", "Control Events", "Control Total"),
            ("ai", "n1i", "ci", "n2i"),
            ("event.e", "n.e", "event.c", "n.c"),
            ("deaths_drug", "n_drug", "deaths_placebo", "n_placebo"),
            ("e1", "n1", "e2", "n2"),
            ("x.nrt", "n.nrt", "x.ctrl", "n.ctrl"),
        ]
    ),
)
def test_groups_are_never_swapped_by_the_order_of_columns(cells, swapped, style):
    order = [2, 3, 0, 1] if swapped else [0, 1, 2, 3]
    rows = [[f"S{n}", *(str(row[place]) for place in order)] for n, row in enumerate(cells)]
    text = "\n".join(",".join(row) for row in [["Study", *(style[p] for p in order)], *rows])
    table, _ = flat_table(File(text.encode()), NOTHING, Faults(EvidenceError))
    got = [table.columns[name] for name in ("events_t", "n_t", "events_c", "n_c")]
    assert [list(map(int, row)) for row in zip(*got, strict=True)] == [list(row) for row in cells]
