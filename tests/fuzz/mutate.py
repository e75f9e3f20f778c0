"""Mutated inputs of every format, and what reading them may end in.

    uv run python tests/fuzz/mutate.py [COUNT] [SEED]

Each input is a valid source with one to three mutations. Reading it must end in evidence (or an
analysis) that keeps its promises, or in an error of the package; never in another exception, in more
than 5 s, or in more than 500 MB. Sources that can be imported are imported: a folder is written whole
and reads back, or nothing is left. All is drawn from one seed.
"""

import io
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
from collections import Counter
from contextlib import contextmanager
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import stores
from openpyxl import Workbook

from bayesrtw.analysis.catalog import open_analysis, open_brief, open_dataset
from bayesrtw.errors import BayesrtwError
from bayesrtw.reading.source import read_source
from bayesrtw.reading.write import write_folder

FORMATS = Path(__file__).parent.parent / "formats"
MODELS = Path(__file__).parents[2] / "models"

#: Seconds and megabytes that one input may take.
MOST_SECONDS = 5.0
MOST_MB = 500.0

#: What a cell may turn into.
CELLS = (
    "NaN", "nan", "inf", "-inf", "Infinity", "1e308", "-1e308", "1e-320", "1e999", "0", "-0", "-1",
    "", " ", "=1+1", "=cmd|' /C calc'!A0", "+1", "@SUM(A1)", "1,5", "1_000", "٣", "0x10", "'", '"',
    *(
        "\n",
        "\r\n",
        "\t",
        ";",
        "#N/A",
        "#DIV/0!",
        "9" * 400,
        "é" * 50,
        "\ufeff",
        "\u202e",
        "a" * 200_000,
    ),
    *(
        "-",
        "1e-300",
        "0.5",
        "3",
        "yes",
        "<b>",
        "&amp;",
        "%s%n",
        "../../x",
        "study",
        "\x00",
        "1e154",
    ),
)  # fmt: skip

CSV = (
    "study,outcome,reported,measure,events_t,n_t,events_c,n_c,estimate,ci_low,ci_high,mean_t,sd_t,"
    "mean_c,sd_c,benefit,year\n"
    "A,work,counts,log_risk_ratio,3,10,2,11,,,,,,,,higher,2001\n"
    "B,work,risk_ratio,log_risk_ratio,,,,,1.5,1.1,2.0,,,,,higher,2002\n"
    "C,days,means,mean_difference,,30,,31,,,,10,2,12,3,lower,2003\n"
    "D,work,counts,log_odds_ratio,0,10,0,10,,,,,,,,higher,2004\n"
)

TOML = """schema = 1
id = "trials"
version = 1
title = "Trials"

[source]
citation = "Nobody"
limits = ["none"]
retrieved = 2026-11-22

[[outcome]]
name = "work"
title = "Work"
benefit = "higher"

[[outcome]]
name = "days"
title = "Days"
benefit = "lower"
unit = "days"
"""

STUDIES = "study,label,country\nA,A 1,NL\nB,B 2,NO\nC,C 3,\nD,D 4,DE\n"

#: What a tag, a key or a piece of TOML may turn into.
TOMLS = (
    *("[", "]", "a = " + "[" * 5000, "a" + ".a" * 5000 + " = 1", "x = " + "9" * 5000, "x = nan"),
    *("x = -inf", "x = 1979-05-27T07:32:00", 'x = """', "[outcome]", "[[source]]", "schema = 2"),
    *(
        "schema = true",
        'id = ["a"]',
        "[files]\n'results.csv' = 3",
        "version = 1e400",
        "title = 07:32:00",
    ),
    *(
        '"" = 1',
        "[[outcome]]",
        "x = {" + "a = {" * 2000,
        "\x00",
        "\ud7ff",
        "x = 0xFFFFFFFFFFFFFFFFFFFF",
    ),
    *(
        "seed = -1",
        "x = '\\u0000'",
        "[dependence]",
        "[[field]]\nname = 3",
        "[[field]]\nfile='results.csv'",
    ),
)

XMLS = (
    '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>',
    '<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    '<!DOCTYPE r SYSTEM "http://localhost:1/x.dtd">',
    '<!DOCTYPE r [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>',
    "<!DOCTYPE COCHRANE_REVIEW>",
    '<!DOCTYPE r [<!ENTITY q "' + "q" * 50_000 + '">]>',
)

ENCODINGS = (
    "UTF-16",
    "UTF-8",
    "US-ASCII",
    "utf-7",
    "EBCDIC-CP-US",
    "x-unknown",
    "cp1252",
    "SHIFT_JIS",
    "",
)


#: Tables as others have them: headings, marks and encodings that are not this package's.
FOUND = (
    "Extraktion v3;;;;;\n;;;;;\nStudie;Jahr;OR (95%-KI);p;n;Gruppe\n"
    "Müller;2001;0,82 (0,65–1,03);0,09;1.204;a\n"
    "Groß;2004;0,74 (0,55 bis 0,99);<0,05;310;b\nDöring;2009;NR;n.s.;-;a\nGesamt;;0,79 (0,66–0,94);;;\n"
)
ARMS = (
    "study\ttreatment\tresponders\tsampleSize\nA\tdrug\t9\t140\nA\tplacebo\t23\t140\nA\tboth\t10\t138\n"
    "B\tdrug\t11\t78\nB\tplacebo\t12\t85\nÇ\tboth\t0\t30\nÇ\tplacebo\t4\t31\n"
)


@cache
def stata():
    buffer = io.BytesIO()
    frame = pd.DataFrame(
        {"study": ["A", "B", "C"], "yi": [0.1, 0.2, -0.3], "vi": [0.04, 0.09, 0.01]}
    )
    frame.to_stata(buffer, write_index=False, version=118)
    return buffer.getvalue()


@cache
def seeds():
    """Valid sources: file name in its folder to content, one entry a kind."""
    csv, rm5 = CSV.encode(), (FORMATS / "Fleiss1993.rm5").read_bytes()
    package = (FORMATS / "cochrane-data-package.zip").read_bytes()
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    folder = {
        "trials/dataset.toml": TOML.encode(),
        "trials/results.csv": CSV.replace(",benefit", "")
        .replace(",higher", "")
        .replace(",lower", "")
        .encode(),
        "trials/studies.csv": STUDIES.encode(),
    }
    unpacked = {f"review/{name}": raw for name, raw in members.items()}
    model = {"time-to-rtw.toml": (MODELS / "time-to-rtw.toml").read_bytes()}
    return {
        "csv": ("my.csv", {"my.csv": csv}),
        "folder": ("trials", folder),
        "toml": ("trials", folder),
        "model": ("time-to-rtw.toml", model),
        "rm5": ("review.rm5", {"review.rm5": rm5}),
        "zip": ("review.zip", {"review.zip": package}),
        "unpacked": ("review", unpacked),
        "xlsx": ("my.xlsx", {"my.xlsx": workbook()}),
        "found": ("found.csv", {"found.csv": FOUND.encode("cp1252")}),
        "arms": ("arms.txt", {"arms.txt": ARMS.encode("utf-16")}),
        "stata": ("my.dta", {"my.dta": stata()}),
        "brief": ("evidence-brief", stores.brief()),
        "store": ("store", stores.seed()),
    }


def workbook():
    book = Workbook()
    sheet = book.active
    for line in CSV.splitlines():
        cells = line.split(",")
        sheet.append([float(c) if c.replace(".", "", 1).isdigit() else c or None for c in cells])
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def mutate_bytes(raw, rng):
    """Damage that any file may suffer on its way."""
    place = rng.randrange(len(raw) + 1)
    length = rng.choice((1, 3, 50, 1000))
    how = rng.randrange(13)
    if how == 0:
        return raw[:place]
    if how == 1:
        return raw[:place] + bytes(rng.randrange(256) for _ in range(min(length, 50))) + raw[place:]
    if how == 2:
        return raw[:place] + raw[place + length :]
    if how == 3:
        return raw[:place] + raw[place : place + length] * 2 + raw[place + length :]
    if how == 4:
        return raw.replace(b"\n", rng.choice((b"\r\n", b"\r", b"\n\n", b"\n\r")))
    if how == 5:
        return rng.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf" * 2)) + raw
    if how == 6:
        text = raw.decode("utf-8", errors="replace")
        return text.encode(
            rng.choice(("utf-16", "utf-32", "utf-16-be", "utf-7", "cp037")), errors="replace"
        )
    if how == 7:
        text = raw.decode("utf-8", errors="replace")
        return text.replace("e", "é").encode("latin-1", errors="replace")
    if how == 8:
        return raw[:place] + b"\x00" + raw[place:]
    if how == 9:
        return raw[:place] + b"x" * rng.choice((10_000, 300_000, 3_000_000)) + raw[place:]
    if how == 10:
        flipped = bytearray(raw)
        for _ in range(length):
            flipped[rng.randrange(len(raw) or 1) :][:0] = b""
            if flipped:
                flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
        return bytes(flipped)
    return b"" if how == 11 else raw + raw


def mutate_csv(raw, rng):
    lines = raw.decode("utf-8-sig", errors="replace").splitlines()
    if not lines:
        return raw
    how = rng.randrange(7)
    if how == 0:
        header = lines[0].split(",")
        header[rng.randrange(len(header))] = rng.choice(
            (header[0], "", *CELLS[:20], "effect", "se")
        )
        lines[0] = ",".join(header)
    elif how == 1:
        lines.append(rng.choice(lines))
    elif how == 2:
        rng.shuffle(lines)
    elif how == 3:
        lines = [line.replace(",", rng.choice((";", "\t", ",,"))) for line in lines]
    else:
        for _ in range(rng.choice((1, 1, 3, 20))):
            row = rng.randrange(len(lines))
            cells = lines[row].split(",")
            cells[rng.randrange(len(cells))] = rng.choice(CELLS)
            lines[row] = ",".join(cells)
    return ("\n".join(lines) + "\n").encode("utf-8", errors="replace")


def mutate_toml(raw, rng):
    lines = raw.decode("utf-8", errors="replace").splitlines()
    how = rng.randrange(5)
    if how == 0:
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(TOMLS))
    elif how == 1 and lines:
        lines.pop(rng.randrange(len(lines)))
    elif how == 2 and lines:
        lines.append(rng.choice(lines))
    elif lines:
        row = rng.randrange(len(lines))
        key, equals, _ = lines[row].partition("=")
        value = rng.choice(
            (
                "true",
                "-1",
                "nan",
                "inf",
                "''",
                "[]",
                "{}",
                "1e400",
                "[1, 'a']",
                "2026-01-01",
                '"x"',
                "9" * 30,
                "'" + "y" * 100_000 + "'",
                "[[[]]]",
                "{a = {b = 1}}",
            )
        )
        lines[row] = f"{key}= {value}" if equals else rng.choice(TOMLS)
    return "\n".join(lines).encode("utf-8", errors="replace")


def mutate_xml(raw, rng):
    text = raw.decode("latin-1")
    how = rng.randrange(9)
    if how == 0:
        head, _, rest = text.partition("?>")
        doctype = rng.choice(XMLS)
        entity = rng.choice(("&c;", "&x;", "&q;" * 2000, ""))
        place = rest.find(">", rng.randrange(len(rest) or 1)) + 1
        text = f"{head}?>{doctype}{rest[:place]}{entity}{rest[place:]}"
    elif how == 1:
        text = text.replace("ISO-8859-1", rng.choice(ENCODINGS), 1)
    elif how == 2:
        deep = rng.choice((10, 1000, 100_000))
        place = text.rfind("</COCHRANE_REVIEW")
        text = text[:place] + "<a>" * deep + "</a>" * deep + text[place:]
    elif how == 3:
        text = text.replace("COCHRANE_REVIEW", rng.choice(("html", "svg", "COCHRANE")))
    elif how == 4:
        for tag in rng.sample(
            ("COMPARISON", "DICH_OUTCOME", "DICH_DATA", "STUDY", "NAME", "CONT_DATA"), 2
        ):
            text = text.replace(
                tag, rng.choice(("IV_OUTCOME", "IPD_DATA", "OTHER_OUTCOME", "x", tag))
            )
    elif how == 5:
        place = rng.randrange(len(text) or 1)
        text = text[:place] + rng.choice(
            ("&#0;", "&#xD800;", "&#x10FFFF;", "<![CDATA[", "]]>", "<?x ?>")
        )
        text += raw.decode("latin-1")[place:]
    else:
        for _ in range(rng.choice((1, 5, 50))):
            place = text.find('="', rng.randrange(len(text) or 1))
            end = text.find('"', place + 2)
            if place > 0 and end > 0:
                cell = rng.choice(CELLS).replace('"', "").replace("<", "").replace("\x00", "")
                text = text[: place + 2] + cell + text[end:]
    return text.encode("latin-1", errors="xmlcharrefreplace")


def mutate_zip(raw, rng, change):
    """Change a member, or the archive around it."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            if sum(info.file_size for info in archive.infolist()) > 5_000_000:
                return raw  # a bomb already
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except Exception:  # an earlier mutation broke it
        return raw
    how = rng.randrange(10)
    place = rng.randrange(len(members)) if members else 0
    if not members:
        return raw
    name, content = members[place]
    bomb = 0
    if how <= 3:
        members[place] = (name, change(content, rng))
    elif how == 4:
        slip = rng.choice(
            ("../../evil.csv", "/etc/evil.csv", "C:\\evil.csv", "..\\..\\evil-data-rows.csv")
        )
        members.append((slip, b"evil"))
    elif how == 5:
        bomb = rng.choice((40, 40, 200))
    elif how == 6:
        members.append(members[place] if rng.random() < 0.5 else (f"copy/{name}", content))
    elif how == 7:
        members.pop(place)
    elif how == 8:
        members += [(f"m/{number}", b"") for number in range(rng.choice((50, 11_000)))]
    else:
        members[place] = (rng.choice(("", "a" * 60_000, "é" + name, "x/" * 300 + name)), content)
    buffer = io.BytesIO()
    packing = rng.choice(
        (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)
    )
    if how == 5:
        packing = zipfile.ZIP_DEFLATED
    with (
        warnings.catch_warnings(),
        zipfile.ZipFile(buffer, "w", packing, compresslevel=1) as archive,
    ):
        warnings.simplefilter("ignore")
        for spot, (each, data) in enumerate(members):
            with archive.open(each, "w") as file:
                file.write(data)
                for _ in range(bomb if spot == place else 0):
                    file.write(bytes(1_000_000))
    made = bytearray(buffer.getvalue())
    if rng.random() < 0.15:  # lies in the central directory: sizes, flags, methods
        start = made.find(b"PK\x01\x02")
        made[start + rng.randrange(8, 46)] = rng.choice((0, 1, 255, 99))
    return bytes(made)


def mutate_sheet(raw, rng):
    """Change the XML of a part of a workbook."""
    text = raw.decode("utf-8", errors="replace")
    how = rng.randrange(6)
    if how == 0:
        head, mark, rest = text.partition("?>")
        return f"{head}{mark}{rng.choice(XMLS)}{rest}".encode() if mark else raw
    if how == 1:
        reference = rng.choice(("XFD1048576", "A1048576", "ZZZZ9", "A0", "1A", "", "A99999999"))
        spot = text.find(' r="', rng.randrange(len(text) or 1))
        return f'{text[:spot]} r="{reference}"{text[text.find(chr(34), spot + 4) + 1 :]}'.encode()
    if how == 2:
        return text.replace("<v>", "<f>1+1</f><v>", rng.choice((1, 100))).encode()
    if how == 3:
        return text.replace("<v>", "<f>1+1</f><x>").replace("</v>", "</x>").encode()
    if how == 4:
        cell = rng.choice(CELLS).replace("<", "").replace("&", "").replace("\x00", "")
        spot = text.find("<v>", rng.randrange(len(text) or 1))
        end = text.find("</v>", spot)
        return f"{text[: spot + 3]}{cell}{text[end:]}".encode("utf-8", errors="replace")
    return mutate_bytes(raw, rng)


def mutated(kind, files, rng):
    """Give the files of a source with one to three mutations."""
    files = dict(files)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        name = rng.choice(list(files))
        if kind == "toml":
            name = "trials/dataset.toml"
        raw = files[name]
        if rng.random() < 0.25 or name.endswith((".txt", ".dta")):
            files[name] = mutate_bytes(raw, rng)
        elif name.endswith(".csv"):
            files[name] = mutate_csv(raw, rng)
        elif name.endswith((".json", ".jsonl")):
            files[name] = stores.mutate_json(raw, rng)
        elif name.endswith(".toml"):
            files[name] = mutate_toml(raw, rng)
        elif name.endswith(".rm5"):
            files[name] = mutate_xml(raw, rng)
        elif name.endswith(".zip"):
            files[name] = mutate_zip(raw, rng, mutate_csv)
        elif name.endswith(".xlsx"):
            files[name] = mutate_zip(raw, rng, mutate_sheet)
        elif rng.random() < 0.5:
            files.pop(name)
            break
    return files


class Late(BaseException):
    """An input took too long."""


@contextmanager
def timed(seconds):
    def stop(*_):
        raise Late

    # Processor time, since the machine may be shared; what waits instead of working is stopped later.
    before = signal.signal(signal.SIGPROF, stop), signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, 6 * seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGPROF, before[0])
        signal.signal(signal.SIGALRM, before[1])


def attempt(kind, path, place):
    """Read one input and say what it ended in; raise if that is not allowed."""
    if kind == "model":
        open_analysis(path)
        return "an analysis"
    if kind == "brief":
        assert open_brief(path).claims
        return "a brief"
    if kind == "store":
        return stores.attempt(path)
    evidence = open_dataset(path)
    promised(evidence)
    if kind not in ("folder", "toml"):
        imported = read_source(path)
        back = write_folder(imported, place / "out", retrieved=date(2026, 11, 22))
        promised(back)
        np.testing.assert_array_equal(
            back.data["effect"].to_numpy(), imported.evidence.data["effect"].to_numpy()
        )
    return "evidence"


def promised(evidence):
    effect, se = (evidence.data[name].to_numpy() for name in ("effect", "se"))
    assert effect.dtype == se.dtype == np.float64
    assert evidence.size > 0
    assert not np.isinf(effect).any()
    assert (np.isnan(se) | ((se > 0) & np.isfinite(se))).all()
    assert all(name in evidence.outcomes for name in evidence.outcome_names)


def run(count, seed):
    """Read `count` mutated inputs.

    Returns
    -------
    tuple
        Counter of outcomes by kind, list of failures, and the slowest input in seconds.
    """
    ended, failures, slowest = Counter(), [], 0.0
    kinds = list(seeds())
    for number in range(count):
        rng = random.Random(f"{seed}/{number}")
        kind = kinds[number % len(kinds)]
        name, files = seeds()[kind]
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "in"
            for each, raw in mutated(kind, files, rng).items():
                target = place / each
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(raw)
            before = sorted(path for path in place.rglob("*"))
            begun = time.perf_counter()
            try:
                with timed(MOST_SECONDS), warnings.catch_warnings():
                    warnings.simplefilter("error")
                    end = attempt(kind, place / name, Path(folder))
            except BayesrtwError as error:
                end = "an error"
                if not str(error) or "Traceback" in str(error):
                    failures.append((number, kind, f"empty message: {error!r}"))
                if (Path(folder) / "out").exists():
                    failures.append((number, kind, "a part of a data set was written"))
            except Late:
                end = "LATE"
                failures.append((number, kind, f"took more than {MOST_SECONDS} s"))
            except Exception:
                end = "TRACEBACK"
                failures.append((number, kind, traceback.format_exc()))
            slowest = max(slowest, time.perf_counter() - begun)
            ended[kind, end] += 1
            left = {path.name for path in Path(folder).iterdir()} - {"in", "out"}
            if left or sorted(path for path in place.rglob("*")) != before:
                failures.append((number, kind, f"left behind: {left or 'files beside the input'}"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if peak > MOST_MB:
        failures.append((-1, "memory", f"{peak:.0f} MB at most"))
    return ended, failures, slowest, peak


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 20261124
    begun = time.perf_counter()
    ended, failures, slowest, peak = run(count, seed)
    for (kind, end), number in sorted(ended.items()):
        sys.stdout.write(f"{number:6} {kind:9} {end}\n")
    sys.stdout.write(
        f"{count} inputs in {time.perf_counter() - begun:.0f} s, slowest {slowest:.2f} s, at most "
        f"{peak:.0f} MB, {len(failures)} failures\n"
    )
    shown = Counter()
    for number, kind, text in failures:
        last = text.strip().splitlines()[-1][:160]
        shown[kind, last] += 1
        if shown[kind, last] <= 1:
            sys.stdout.write(f"-- {number} {kind}\n{text[-1800:]}\n")
    for (kind, last), number in shown.most_common():
        sys.stdout.write(f"{number:5} {kind}: {last}\n")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
