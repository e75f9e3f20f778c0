"""Tables under the headings and in the file formats of others, with the values that a person reads there."""

import io
import tomllib

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from openpyxl import Workbook

from bayesrtw.analysis.catalog import open_dataset
from bayesrtw.cli import main
from bayesrtw.doubt.inspect import inspect
from bayesrtw.errors import EvidenceError
from bayesrtw.evidence.table import Evidence
from bayesrtw.reading.flat import Stated, parsed_columns

RATIOS = "A 2001,0.82,0.65,1.03\nB 2004,0.74,0.55,0.99\nC 2009,1.05,0.80,1.38\n"


def opened(tmp_path, content, name="my.csv", **options):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return open_dataset(path, **options)


def numbers(found, *columns):
    return [found.data[name].to_numpy().tolist() for name in columns]


def reml(effect, se):
    """Mean and SE of a random-effects model by restricted maximum likelihood (Fisher scoring)."""
    y, v, tau2 = np.asarray(effect), np.asarray(se) ** 2, 0.0
    for _ in range(500):
        w = 1 / (v + tau2)
        mu = (w * y).sum() / w.sum()
        step = (w**2 * ((y - mu) ** 2 - v)).sum() / (w**2).sum() + 1 / w.sum()
        tau2 = max(0.0, step)
    return mu, 1 / np.sqrt(w.sum())


CSV2 = (
    '"";"study";"arm1";"effect";"se";"year";"percent_women"\n"1";"Alm, 2011";"cbt";-0,41;0,19;2011;0,62\n'
    '"2";"Berg, 2014";"cbt";-0,12;0,14;2014;NA\n"3";"Dahl, 2016";"pst";-0,58;0,24;2016;0,71\n'
    '"4";"Eide, 2019";"cbt";-0,33;0,17;2019;0,55\n'
)
PLAIN = "study,effect,se\nAlm,-0.41,0.19\nBerg,-0.12,0.14\nDahl,-0.58,0.24\nEide,-0.33,0.17\n"


@pytest.mark.parametrize(
    "text",
    [
        CSV2,
        PLAIN,
        PLAIN.replace(",", "\t"),
        PLAIN.replace(",", ";").replace(".", ","),
        '"","study","effect","se"\n'
        + "".join(f'"{n}",{line}\n' for n, line in enumerate(PLAIN.splitlines()[1:], 1)),
        PLAIN.replace("-0", "−0"),
        "A review of four trials,,\n,,\n" + PLAIN + "Total,-0.31,0.1\n",
    ],
    ids=["csv2", "plain", "tabs", "semicolons", "row names", "minus signs", "title and total"],
)
def test_delimiters_decimals_and_row_names_do_not_matter(tmp_path, text):
    found = opened(tmp_path, text)
    assert numbers(found, "effect", "se") == [
        [-0.41, -0.12, -0.58, -0.33],
        [0.19, 0.14, 0.24, 0.17],
    ]
    np.testing.assert_allclose(reml(*numbers(found, "effect", "se")), (-0.3083, 0.0970), atol=1e-4)


def test_how_a_file_was_read_is_one_line(tmp_path):
    assert opened(tmp_path, CSV2).provenance.reading == (
        "my.csv: cells parted by semicolons; row names left out; decimal commas."
    )
    assert opened(tmp_path, PLAIN).provenance.reading == ""
    text = "Data extraction v3,,,\n,,,\nStudy,OR,95% CI lower,95% CI upper\n" + RATIOS
    assert opened(tmp_path, text).provenance.reading == (
        "my.csv: cells parted by commas; headings in row 3, rows above it left out; effects from 'OR'; "
        "study from 'Study'; estimate from 'OR'; ci_low from '95% CI lower'; ci_high from '95% CI upper'."
    )


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"]
)
def test_encodings_are_recognised(tmp_path, encoding):
    text = "Studie;HR;KI unten;KI oben\nMüller 2012;0,82;0,65;1,03\nGroß 2016;1,05;0,80;1,38\n"
    found = opened(tmp_path, text.encode(encoding))
    assert numbers(found, "study") == [["Müller 2012", "Groß 2016"]]
    np.testing.assert_allclose(found.data["effect"], np.log([0.82, 1.05]))
    assert set(found.data["measure"].to_numpy()) == {"log_hazard_ratio"}


def test_cells_for_numbers_that_are_not_there_are_empty(tmp_path):
    """Case of R's NA in columns that a row does not need: five rows, pooled by REML to 0.3947."""
    text = (
        "study,effect,se,n_t,n_c,follow_up_months,mean_age\nAsh,0.61,0.21,24,NA,NA,14.1\n"
        "Birch,0.18,0.15,41,40,3,NA\nCedar,0.92,0.30,13,N/A,.,22.5\nElm,0.40,0.12,NR,-,n/a,30.2\n"
        "Fir,0.27,0.18,30,,—,18.0\n"
    )
    found = opened(tmp_path, text)
    np.testing.assert_allclose(reml(*numbers(found, "effect", "se")), (0.3947, 0.0909), atol=1e-4)
    assert found.data["mean_age"].dtype == float
    assert np.isnan(found.data["mean_age"].to_numpy()).sum() == 1


HEADINGS = {
    "metafor": "study,yi,vi\nA,0.26,0.0256\nB,0.44,0.0225\nC,0.05,0.0081\n",
    "words": "Author,Effect size,Variance\nA,0.26,0.0256\nB,0.44,0.0225\nC,0.05,0.0081\n",
    "meta": "Author,TE,seTE\nA,0.26,0.16\nB,0.44,0.15\nC,0.05,0.09\n",
    "JASP": "Study Label;Effect Size;Effect Size SE\nA;0,26;0,16\nB;0,44;0,15\nC;0,05;0,09\n",
    "German": "Studie;Effektstärke;Standardfehler\nA;0,26;0,16\nB;0,44;0,15\nC;0,05;0,09\n",
    "French": "Étude;Effet;Erreur standard\nA;0,26;0,16\nB;0,44;0,15\nC;0,05;0,09\n",
    "Spanish": "Estudio;Tamaño del efecto;Error estándar\nA;0,26;0,16\nB;0,44;0,15\nC;0,05;0,09\n",
    "Norwegian": "Studie;Effekt;Standardfeil\nA;0,26;0,16\nB;0,44;0,15\nC;0,05;0,09\n",
}


@pytest.mark.parametrize("name", HEADINGS)
def test_effects_are_known_by_the_headings_of_others(tmp_path, name):
    found = opened(tmp_path, HEADINGS[name])
    assert numbers(found, "study", "effect") == [["A", "B", "C"], [0.26, 0.44, 0.05]]
    np.testing.assert_allclose(found.data["se"], [0.16, 0.15, 0.09])


COUNTS = {
    "RevMan": "Study,Experimental Events,Experimental Total,Control Events,Control Total\n",
    "metafor": "trial,ai,n1i,ci,n2i\n",
    "meta": "studlab,event.e,n.e,event.c,n.c\n",
    "short": "id,Ee,Ne,Ec,Nc\n",
    "words": "Study,Intervention events,Intervention n,Placebo events,Placebo n\n",
    "prefixes": "Study,drug_events,drug_total,control_events,control_total\n",
}


@pytest.mark.parametrize("name", COUNTS)
def test_counts_are_known_by_the_headings_of_others(tmp_path, name):
    found = opened(tmp_path, COUNTS[name] + "A,5,60,9,58\nB,12,80,20,82\n")
    right = [np.log(5 / 60) - np.log(9 / 58), np.log(12 / 80) - np.log(20 / 82)]
    np.testing.assert_allclose(found.data["effect"], right)
    assert numbers(found, "events_t", "n_c") == [[5, 12], [58, 82]]


def test_two_rows_of_headings_are_one(tmp_path):
    text = "Study,Experimental,,Control,\n,Events,Total,Events,Total\nA,5,60,9,58\nB,12,80,20,82\n"
    assert numbers(opened(tmp_path, text), "events_t", "n_c") == [[5, 12], [58, 82]]


@pytest.mark.parametrize(
    "text",
    [
        "Study,OR (95% CI)\nA 2001,0.82 (0.65 to 1.03)\nB 2004,0.74 [0.55; 0.99]\nC 2009,1.05 (0.80-1.38)\n",
        'Study,OR,95% CI\nA 2001,0.82,"0.65, 1.03"\nB 2004,0.74,(0.55 to 0.99)\nC 2009,1.05,0.80–1.38\n',
        "Study;OR (95%-KI)\nA;0,82 (0,65 bis 1,03)\nB;0,74 (0,55–0,99)\nC;1,05 (0,80 - 1,38)\n",
        "Study,OR,Lower,Upper\n" + RATIOS,
    ],
    ids=["one cell", "an interval a cell", "decimal commas", "ends"],
)
def test_estimates_and_intervals_are_read_from_any_cells(tmp_path, text):
    found = opened(tmp_path, text)
    np.testing.assert_allclose(found.data["effect"], np.log([0.82, 0.74, 1.05]))
    right = np.log([1.03 / 0.65, 0.99 / 0.55, 1.38 / 0.80]) / 3.919928
    np.testing.assert_allclose(found.data["se"], right, rtol=1e-5)
    assert set(found.data["measure"].to_numpy()) == {"log_odds_ratio"}


def test_events_of_people_and_means_with_sds_may_share_a_cell(tmp_path):
    text = "Study,Treatment n/N,Control n/N\nA,5/60,9/58\nB,12/80 (15%),20/82\n"
    assert numbers(opened(tmp_path, text), "events_t", "n_c") == [[5, 12], [58, 82]]
    text = "Study,Treatment mean (SD),Treatment n,Control mean (SD),Control n\n"
    text += "A,12.1 (4.2),30,15.3 (4.8),31\nB,10.4 (3.9),55,12.0 (4.4),52\n"
    found = opened(tmp_path, text)
    np.testing.assert_allclose(found.data["effect"], [-3.2, -1.6])


def test_thousands_are_read_where_nothing_else_is_possible(tmp_path):
    head = "study,events_t,n_t,events_c,n_c,dose\n"
    found = opened(
        tmp_path, head + 'A,62,"13,598",248,"12,867",0.5\nB,10,2 010,20,"1,234,567",1.5\n'
    )
    assert numbers(found, "n_t", "n_c") == [[13598, 2010], [12867, 1234567]]
    message = "effect is '13,598', which may be 13598 or 13.598; write it without a mark"
    with pytest.raises(EvidenceError, match=message):
        opened(tmp_path, 'study,effect,se\nA,"13,598",4\n')


@pytest.mark.parametrize("mark", [",", "."])
def test_marks_in_counts_can_only_part_thousands(tmp_path, mark):
    """Aronson's and Hart's trials of BCG as two countries write them: nobody is 13.598 people."""
    text = f"study;events_t;n_t;events_c;n_c\nA;62;13{mark}598;248;12{mark}867\nB;4;123;11;139\n"
    found = opened(tmp_path, text)
    assert numbers(found, "n_t", "n_c") == [[13598, 123], [12867, 139]]
    assert f"'13{mark}598' of 'n_t' is 13598" in found.provenance.reading


def test_p_values_are_bounds_as_printed(tmp_path):
    text = (
        "study,estimate,p,reported\nA,1.4,0.01,OR\nB,1.1,p < .05,OR\nC,1.2,P=0.04,OR\nD,1.3,ns,OR\n"
    )
    found = opened(tmp_path, text)
    assert numbers(found, "p_value") == [["0.01", "< .05", "=0.04", "ns"]]
    assert np.isfinite(found.data["se"].to_numpy()).tolist() == [True, False, True, False]


def book(tmp_path, sheets):
    made = Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    path = tmp_path / "my.xlsx"
    made.save(path)
    return path


DATA = [["study", "effect", "se"], ["A", "0.1", "0.2"], ["B", 0.3, 0.1]]


def test_the_sheet_with_the_table_is_read_and_named(tmp_path):
    found = open_dataset(book(tmp_path, {"README": [["see sheet 2"]], "Data": DATA}))
    assert numbers(found, "effect") == [[0.1, 0.3]]
    assert found.provenance.reading == ("my.xlsx: sheet 'Data', since 'README' holds no table.")
    path = book(tmp_path, {"One": DATA, "Two": [*DATA, ["C", 1, 1]]})
    assert open_dataset(path, sheet="Two").size == 3
    assert "sheet 'One', not 'Two' (--sheet)" in open_dataset(path).provenance.reading
    with pytest.raises(EvidenceError, match=r"has no sheet 'Tow'; did you mean 'Two'"):
        open_dataset(path, sheet="Tow")
    path = book(tmp_path, {"README": [["x"]], "One": DATA, "Two": DATA})
    with pytest.raises(EvidenceError, match="2 others do: say which with --sheet"):
        open_dataset(path)


def test_a_sum_below_a_sheet_is_no_study(tmp_path):
    rows = [["study", "events_t", "n_t", "events_c", "n_c"], ["A", 5, 60, 9, 58], ["B", 1, 9, 2, 9]]
    total = ["Total", "=SUM(B2:B3)", "=SUM(C2:C3)", "=SUM(D2:D3)", "=SUM(E2:E3)"]
    found = open_dataset(book(tmp_path, {"S": [*rows, [None], total]}))
    assert found.size == 2
    assert "Row 5 ('Total') sums up other rows and was left out." in found.provenance.limits


def test_studies_are_named_by_author_and_year_then_trial_then_id(tmp_path):
    def studies(text):
        return numbers(opened(tmp_path, text), "study")[0]

    assert studies("author,year,id,yi,sei\nLi,2001,7,1,1\nLi,2004,8,2,1\n") == [
        "Li 2001",
        "Li 2004",
    ]
    assert studies("trial,author,year,yi,sei\n1,Li,2001,1,1\n2,Li,2001,2,1\n") == [
        "Li 2001 (1)",
        "Li 2001 (2)",
    ]
    assert studies("trial,id,yi,sei\nACE,1,1,1\nBEE,2,2,1\n") == ["ACE", "BEE"]
    assert studies("study,year,yi,sei\nLi,2001,1,1\nLi,2004,2,1\n") == ["Li 2001", "Li 2004"]
    assert studies("id,yi,sei\n7,1,1\n8,2,1\n") == ["7", "8"]
    assert studies("yi,sei\n1,1\n2,1\n") == ["row 1", "row 2"]


def test_columns_can_be_stated(tmp_path):
    text = "label,smd_adj,v_adj,other\nA,0.26,0.0256,1\nB,0.44,0.0225,2\n"
    found = opened(
        tmp_path, text, columns={"smd_adj": "effect", "v_adj": "variance"}, measure="SMD"
    )
    np.testing.assert_allclose(found.data["se"], [0.16, 0.15])
    assert found.provenance.columns["effect"] == "smd_adj"
    assert found.measure.name == "standardised_mean_difference"
    same = opened(tmp_path, text, columns={"effect": "smd_adj", "variance": "v_adj"}, measure="SMD")
    assert same.digest() == found.digest()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": {"yi": "efect"}}, r"--columns: 'efect' is no column; did you mean 'effect'"),
        (
            {"columns": {"xi": "effect"}},
            r"has no column 'xi', which is to be effect; Choices: study",
        ),
        ({"measure": "odds"}, r"--measure is 'odds'; "),
        ({"benefit": "up"}, r"benefit is 'up'; Choices: higher, lower\."),
        ({"sheet": "One"}, r"has no sheets; leave --sheet 'One' out"),
        ({"columns": {"yi": "effect", "vi": "effect"}}, r"'yi' and 'vi' are both to be effect"),
    ],
)
def test_what_is_stated_wrongly_is_named(tmp_path, options, message):
    with pytest.raises(EvidenceError, match=message):
        opened(tmp_path, "study,yi,vi\nA,1,1\nB,2,1\n", **options)


SPEAKING = {
    # a column called SE that holds variances: intervals say so
    "study,effect,se,lower,upper\nA,0.3,0.04,-0.092,0.692\nB,0.1,0.09,-0.488,0.688\n": "'se' is called a",
    # a variance that is a standard error
    "study,d,var,n\nA,0.3,0.2,100\nB,0.1,0.28,51\nC,0.2,0.4,25\n": "'var' is called a variance",
    "study,yi,sei,vi\nA,0.3,0.2,0.5\nB,0.1,0.3,0.8\n": "'vi' is not the square of 'sei'",
    # logarithms called ratios, ratios called logarithms
    "Study,OR,lower,upper\nA,-0.2,-0.6,0.2\nB,0.3,0.1,0.5\n": "'OR' is called a ratio and holds -0.2",
    "Study,HR,lower,upper\nA,0.5,0.1,0.9\nB,0.6,0.2,1.0\n": "symmetric as they stand, not on the log",
    "Study,logOR,lower,upper\nA,2.0,1.0,4.0\nB,1.5,0.75,3.0\n": "symmetric on the log scale, as",
    # groups that are swapped
    "Study,ai,n1i,ci,n2i\nA,50,40,20,60\nB,90,70,10,95\n": "are 'n1i' and 'n2i' swapped?",
}


@pytest.mark.parametrize("text", SPEAKING)
def test_no_heading_is_believed_against_its_values(tmp_path, text):
    with pytest.raises(EvidenceError, match=SPEAKING[text]) as caught:
        opened(tmp_path, text)
    assert "--columns" in str(caught.value)


def test_a_ratio_beside_its_logarithm_is_one_reading(tmp_path):
    text = "Study,OR,logOR,varlogOR\nA,0.81,-0.208,0.0109\nB,0.56,-0.577,0.0415\n"
    assert numbers(opened(tmp_path, text), "effect") == [[-0.208, -0.577]]
    text = "Study,OR,SE(logOR)\nA,0.81,0.1\nB,0.56,0.2\n"
    found = opened(tmp_path, text)
    np.testing.assert_allclose(found.data["effect"], np.log([0.81, 0.56]))
    assert numbers(found, "se") == [[0.1, 0.2]]
    assert found.measure.name == "log_odds_ratio"
    with pytest.raises(EvidenceError, match=r"in several ways: effects.*--columns"):
        opened(tmp_path, "Study,SMD,MD,SE\nA,0.1,5,0.2\nB,0.2,7,0.3\n")


def test_a_column_called_measure_may_hold_something_else(tmp_path):
    found = opened(tmp_path, "study,measure,yi,vi\nA,BDI,1,1\nB,HADS,2,1\n")
    assert "column 'measure' holds 'BDI', 'HADS'" in found.provenance.reading
    assert numbers(found, "measure (as found)") == [["BDI", "HADS"]]
    with pytest.raises(EvidenceError, match="measure is 'log_hazard_rato'"):
        opened(tmp_path, "study,measure,effect,se\nA,log_hazard_rato,1,1\n")


def test_a_data_frame_has_the_same_door(tmp_path):
    frame = pd.read_csv(io.StringIO("Author,TE,seTE,age\nA,0.26,0.16,40\nB,0.44,0.15,\n"))
    found = open_dataset(frame, benefit="lower")
    assert numbers(found, "study", "effect", "se") == [["A", "B"], [0.26, 0.44], [0.16, 0.15]]
    assert found.benefit == "lower"
    with pytest.raises(EvidenceError, match="found list; give a path or a pandas DataFrame"):
        open_dataset([1, 2])


@pytest.mark.parametrize(
    ("name", "raw", "message"),
    [
        ("t.docx", b"PK\x03\x04", "is a Word document: copy its table"),
        ("t.pdf", b"%PDF-1.4", "is a PDF document"),
        ("t.csv", b"PK\x03\x04....", "is a zip file, perhaps a workbook"),
        ("t.sav", b"$FL2 no", r"(is no readable SPSS file|install bayesrtw\[files\])"),
        ("t.rds", b"\x1f\x8b no", r"(is no readable file of R|install bayesrtw\[files\])"),
        ("t.dta", b"no", "is no readable Stata file"),
    ],
)
def test_files_of_others_are_named_by_what_they_are(tmp_path, name, raw, message):
    with pytest.raises(EvidenceError, match=message):
        opened(tmp_path, raw, name)


def test_a_stata_file_is_read_under_any_name(tmp_path):
    frame = pd.DataFrame({"study": ["A", "B"], "yi": [0.1, 0.2], "vi": [0.04, 0.09]})
    for name in ("t.dta", "table.csv"):
        frame.to_stata(tmp_path / name, write_index=False, version=118)
        found = open_dataset(tmp_path / name)
        np.testing.assert_allclose(found.data["se"], [0.2, 0.3])
        assert "read as a Stata file" in found.provenance.reading


def test_a_frame_of_printed_numbers_is_converted_by_the_columns_that_are_stated():
    frame = pd.DataFrame({"trial": ["A", "B"], "ai": [5, 12], "n1i": [60, 80], "ci": [9, 20]})
    frame["n2i"] = [58, 82]
    stated = {"trial": "study", "ai": "events_t", "n1i": "n_t", "ci": "events_c", "n2i": "n_c"}
    found = Evidence.from_frame(frame, columns=stated, measure="log_odds_ratio", benefit="lower")
    right = np.log([5 / 55, 12 / 68]) - np.log([9 / 49, 20 / 62])
    np.testing.assert_allclose(found.data["effect"], right)
    assert found.benefit == "lower"
    with pytest.raises(EvidenceError, match=r"^3 faults:") as caught:
        Evidence.from_frame(
            frame, columns={"xi": "events", "ai": "event_t", "n1i": "n_t", "ci": "n_t"}
        )
    for part in (
        "column 'xi' is missing",
        "'event_t' is no column to be; leave",
        "'n_t' stand",
    ):
        assert part in str(caught.value)
    with pytest.raises(EvidenceError, match="column 'study' is missing"):
        Evidence.from_frame(frame, columns={"ai": "events_t"})


def test_a_data_set_states_what_its_columns_are(tmp_path):
    folder = tmp_path / "trials"
    folder.mkdir()
    toml = (
        'schema = 1\nid = "trials"\nversion = 1\ntitle = "T"\n[source]\ncitation = "N"\n[columns]\n'
        'yi = "effect"\nvi = "variance"\n[[outcome]]\nname = "work"\ntitle = "Work"\nbenefit = "higher"\n'
    )
    (folder / "studies.csv").write_text("study\nA\nB\n")
    (folder / "results.csv").write_text("study,outcome,yi,vi\nA,work,0.1,0.04\nB,work,0.2,0.09\n")
    (folder / "dataset.toml").write_text(toml)
    np.testing.assert_allclose(open_dataset(folder).data["se"], [0.2, 0.3])
    (folder / "dataset.toml").write_text(toml.replace('yi = "effect"', 'y = "efect"'))
    with pytest.raises(EvidenceError) as caught:
        open_dataset(folder)
    for part in ("columns.y is 'efect'; did you mean 'effect'", "columns.y is of no column"):
        assert part in str(caught.value)


RM5 = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<COCHRANE_REVIEW ID="1"><COVER_SHEET><TITLE>T</TITLE>'
    '</COVER_SHEET><STUDY ID="STD-A" NAME="Müller & Lie 2001" YEAR="2001"/><STUDY ID="STD-B" NAME="Bo 2007"/>'
    '<COMPARISON NO="1"><NAME>C</NAME><DICH_OUTCOME EFFECT_MEASURE="OR" NO="1"><NAME>Days < 30</NAME>'
    '<DICH_DATA EVENTS_1="8" EVENTS_2="13" STUDY_ID="STD-A" TOTAL_1="40" TOTAL_2="41"/>'
    '<DICH_DATA EVENTS_1="15" EVENTS_2="22" STUDY_ID="STD-B" TOTAL_1="90" TOTAL_2="88"/>'
    "</DICH_OUTCOME></COMPARISON></COCHRANE_REVIEW>"
)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (RM5.encode(), "1 bare '&' and 1 bare '<'"),
        (RM5.encode("cp1252"), "bytes of Windows-1252 and 1 bare '&' and 1 bare '<'"),
        (RM5.replace("& ", "&amp; ").replace("< 30", "&lt; 30").encode("cp1252"), "Windows-1252"),
        (RM5.replace("& ", "&amp; ").replace("< 30", "&lt; 30").encode(), ""),
    ],
)
def test_a_revman_file_is_repaired_and_that_is_said(tmp_path, raw, said):
    found = opened(tmp_path, raw, "review.rm5")
    right = [np.log((8 * 28) / (32 * 13)), np.log((15 * 66) / (75 * 22))]
    np.testing.assert_allclose(found.data["effect"], right)
    assert numbers(found, "study") == [["Müller & Lie 2001", "Bo 2007"]]
    repaired = [limit for limit in found.provenance.limits if "repaired" in limit]
    assert bool(repaired) == bool(said)
    assert not said or said in repaired[0]


def test_dates_that_a_spreadsheet_made_of_numbers_are_named(tmp_path):
    with pytest.raises(EvidenceError, match="it is a date, which a spreadsheet made of a number"):
        opened(tmp_path, "study,effect,se\nA,02-Jan,0.2\nB,0.1,0.3\n")


def test_check_proposes_columns_as_toml_and_doubts_totals(tmp_path):
    path = tmp_path / "my.csv"
    path.write_text("Author,yi,vi\nA,0.26,0.0256\nB,0.44,0.0225\nTotal,0.3,0.01\n")
    shown = CliRunner().invoke(main, ["check", str(path), "--propose"], catch_exceptions=False)
    assert tomllib.loads(shown.stdout)["columns"] == {
        "Author": "author",
        "yi": "effect",
        "vi": "variance",
    }
    assert "total-row" in {each.rule for each in inspect(path).doubts}
    path.write_text("study,effect\nA,0.26\nB,0.44\n")
    assert "nothing-usable" in {each.rule for each in inspect(path).doubts}
    stated = Stated(parsed_columns(["a, b=effect,se=se"]))
    assert stated.columns == {"a, b": "effect", "se": "se"}
    with pytest.raises(EvidenceError, match="--columns: found 'x'; write heading=column"):
        parsed_columns(["yi=effect,x"])


def test_a_measure_that_is_given_does_not_overrule_the_values(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("study,estimate,ci_low,ci_high\nA,-0.2,-0.5,0.1\nB,0.1,-0.2,0.4\n", "utf-8")
    with pytest.raises(EvidenceError, match=r"called a ratio and holds -0\.2: logarithms\? say so"):
        open_dataset(path, measure="HR")
    path.write_text("study,estimate,ci_low,ci_high\nA,2.2,1.15,4.2\nB,1.55,0.85,2.83\n", "utf-8")
    with pytest.raises(EvidenceError, match="may be a ratio or its logarithm"):
        open_dataset(path, measure="log_hazard_ratio")
