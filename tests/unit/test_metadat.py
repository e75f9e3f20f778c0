"""62 tables of published meta-analyses as they are found: what each is read as, and what is missing.

Right values are computed here from the raw columns by the formulas that metafor's `escalc` documents, or
are the table's own. 1e-3 is what a reader of the printed digits can tell.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bayesrtw.analysis.catalog import open_dataset
from bayesrtw.analysis.default import default_analyses
from bayesrtw.errors import EvidenceError

FRAMES = Path(__file__).parent.parent / "metadat"


def frame(name):
    return pd.read_csv(FRAMES / f"{name}.csv")


def risk_ratio(a, n, c, m):
    a, n, c, m = (np.asarray(v, dtype=float) for v in (a, n, c, m))
    empty = (a == 0) | (c == 0) | (a == n) | (c == m)
    add = np.where(empty, 0.5, 0.0)
    a, n, c, m = a + add, n + 2 * add, c + add, m + 2 * add
    return np.log(a / n) - np.log(c / m), np.sqrt(1 / a - 1 / n + 1 / c - 1 / m)


def counts(a, n, c, m):
    return lambda f: risk_ratio(f[a], f[n], f[c], f[m])


def tables(a, b, c, d):
    return lambda f: risk_ratio(f[a], f[a] + f[b], f[c], f[c] + f[d])


def means(m1, s1, n1, m0, s0, n0):
    return lambda f: (
        (f[m1] - f[m0]).to_numpy(),
        np.sqrt(f[s1] ** 2 / f[n1] + f[s0] ** 2 / f[n0]).to_numpy(),
    )


def correlations(r, n):
    return lambda f: (np.arctanh(f[r]).to_numpy(), (1 / np.sqrt(f[n] - 3)).to_numpy())


def proportions(x, n):
    def found(f):
        events, people = f[x].to_numpy(dtype=float), f[n].to_numpy(dtype=float)
        add = np.where((events == 0) | (events == people), 0.5, 0.0)
        events, rest = events + add, people - events + add
        return np.log(events / rest), np.sqrt(1 / events + 1 / rest)

    return found


def variance(y, v):
    return lambda f: (f[y].to_numpy(), np.sqrt(f[v]).to_numpy())


def printed(y, s):
    return lambda f: (f[y].to_numpy(), f[s].to_numpy())


def rates(a, t, c, u):
    return lambda f: (
        np.log(f[a] / f[t]).to_numpy() - np.log(f[c] / f[u]).to_numpy(),
        np.sqrt(1 / f[a] + 1 / f[c]).to_numpy(),
    )


def either(one, other):
    """Rows that hold the one, and rows that hold the other only."""

    def found(f):
        (a, b), (c, d) = one(f), other(f)
        return np.where(np.isnan(a), c, a), np.where(np.isnan(a), d, b)

    return found


METAFOR = ("ai", "n1i", "ci", "n2i")
MEANS = ("m1i", "sd1i", "n1i", "m2i", "sd2i", "n2i")
META = ("Ee", "Ne", "Ec", "Nc")

#: Frames that are pooled as they are found.
AS_FOUND = {
    "dat.axfors2021": counts(
        "hcq_arm_event", "hcq_arm_total", "control_arm_event", "control_arm_total"
    ),
    "dat.bakdash2021": variance("es.z", "vi.z"),
    "dat.bangertdrowns2004": variance("yi", "vi"),
    "dat.baskerville2012": printed("smd", "se"),
    "dat.begg1989": variance("yi", "vi"),
    "dat.berkey1998r": variance("yi", "vi"),
    "dat.colditz1994": tables("tpos", "tneg", "cpos", "cneg"),
    "dat.crede2010": correlations("ri", "ni"),
    "dat.dagostino1998": either(
        means("mt", "sdt", "nt", "mc", "sdc", "nc"), counts("xt", "nt", "xc", "nc")
    ),
    "dat.debruin2009": proportions("xi", "ni"),
    "dat.egger2001": counts(*METAFOR),
    "dat.gibson2002": either(tables("ai", "bi", "ci", "di"), means(*MEANS)),
    "dat.greb2008": counts(*META),
    "dat.haeuser2009": means("mti", "sdti", "nti", "mci", "sdci", "nci"),
    "dat.hannum2020": proportions("xi", "ni"),
    "dat.hartmannboyce2018": counts("x.nrt", "n.nrt", "x.ctrl", "n.ctrl"),
    "dat.higgins2008": tables("resp.halo", "fail.halo", "resp.plac", "fail.plac"),
    "dat.kalaian1996": variance("yi", "vi"),
    "dat.konstantopoulos2011": variance("yi", "vi"),
    "dat.laopaiboon2015": counts(*METAFOR),
    "dat.li2007": counts(*METAFOR),
    "dat.lim2014__m_o_size": correlations("ri", "ni"),
    "dat.lim2014__o_o_unadj": correlations("ri", "ni"),
    "dat.mcdaniel1994": correlations("ri", "ni"),
    "dat.metap__validity": correlations("r", "n"),
    "dat.michael2013": variance("yi", "vi"),
    "dat.moore1998": counts(*META),
    "dat.nakagawa2007": correlations("Correlation", "SampleSize"),
    "dat.nielweise2008": rates("x1i", "t1i", "x2i", "t2i"),
    "dat.normand1999": means(*MEANS),
    "dat.poole2003": means("Me", "Se", "Ne", "Mc", "Sc", "Nc"),
    "dat.quan2000": counts(*META),
    "dat.riley2003": printed("yi", "sei"),
    "dat.roever2022": proportions("events", "total"),
    "dat.spooner2002": means("Me", "Se", "Ne", "Mc", "Sc", "Nc"),
    "dat.thompson1999": variance("logOR", "varlogOR"),
    "dat.ursino2021": proportions("events", "total"),
    "dat.viechtbauer2021": counts("xTi", "nTi", "xCi", "nCi"),
}

#: Frames of one row an arm: study, treatment, events, people, and the treatments compared with.
ARMS = {
    "dat.gurusamy2011": ("study", "treatment", "death", "n", "Control/Placebo"),
    "dat.linde2016": (("author", "year"), "int", "resp", "n", "Placebo"),
    "dat.pagliaro1992": ("study", "trt", "xi", "ni", "control"),
    "dat.woods2010": ("author", "treatment", "r", "N", "Placebo"),
}

#: Frames that need one option.
WITH_AN_OPTION = {
    "dat.anker2025": ("total.logrr=effect,total.se=se", printed("total.logrr", "total.se")),
    "dat.bauer2002": ("wmwstat=effect", printed("wmwstat", "stderr")),
    "dat.bourassa1996": (
        "lh.le=events_t,lh.re=non_events_t,rh.le=events_c,rh.re=non_events_c",
        tables("lh.le", "lh.re", "rh.le", "rh.re"),
    ),
    "dat.chiarito2020": (
        "p2y12.death=events_t,p2y12.total=n_t,aspirin.death=events_c,aspirin.total=n_c",
        counts("p2y12.death", "p2y12.total", "aspirin.death", "aspirin.total"),
    ),
    "dat.collins1985b": (
        "pre.xti=events_t,pre.nti=n_t,pre.xci=events_c,pre.nci=n_c",
        counts("pre.xti", "pre.nti", "pre.xci", "pre.nci"),
    ),
    "dat.curtin2002": ("mean=mean,SE=se_mean", printed("mean", "SE")),
    "dat.dorn2007": (
        "x.a=events_t,n.a=n_t,x.p=events_c,n.p=n_c",
        counts("x.a", "n.a", "x.p", "n.p"),
    ),
    "dat.fine1993": (
        "e1i=events_t,nei=n_t,c1i=events_c,nci=n_c",
        counts("e1i", "nei", "c1i", "nci"),
    ),
    "dat.lloyd2010": (
        "mean.das=effect,lower.das=ci_low,upper.das=ci_high",
        lambda f: (f["mean.das"], (f["upper.das"] - f["lower.das"]) / 3.919928),
    ),
    "dat.maire2019__dat": ("s1=effect,vars1=variance,site_station=study", variance("s1", "vars1")),
    "dat.metap__cholest": (
        "dtreat=events_t,ntreat=n_t,dcontrol=events_c,ncontrol=n_c",
        counts("dtreat", "ntreat", "dcontrol", "ncontrol"),
    ),
}
ARM_WITH_AN_OPTION = {
    "dat.dogliotti2014": (
        "stroke=events,total=n",
        ("study", "treatment", "stroke", "total", "Placebo/Control"),
    )
}

#: Frames that hold nothing to pool: what the one message says that they are.
REFUSED = {
    "dat.aloe2013": "t values, and no effects that they belong to",
    "dat.bonett2010": "reliabilities",
    "dat.frank2008": "no column holds a result",
    "dat.huber2000": "one row a person",
    "dat.kearon1998": "diagnostic accuracy is not pooled here",
    "dat.linde2015": "columns for three arms or more",
    "dat.metap__naep": "p values and no effects that they belong to",
    "dat.stowe2010": "columns for three arms or more",
}


def check(evidence, right, name):
    """Hold what was read against the right values, line for line; rows that say nothing are missing."""
    effect, se = (np.asarray(values, dtype=float) for values in right(frame(name)))
    rows = np.asarray(evidence.places.lines) - 2
    got, precise = evidence.data["effect"].to_numpy(), evidence.data["se"].to_numpy()
    used = np.isfinite(got) & np.isfinite(precise)
    assert used.sum() >= 2
    assert used.sum() >= 0.5 * np.isfinite(effect + se).sum()
    np.testing.assert_allclose(got[used], effect[rows][used], atol=1e-3)
    np.testing.assert_allclose(precise[used], se[rows][used], atol=1e-3)
    assert default_analyses(evidence)


def check_arms(evidence, name, columns):
    """Every contrast is that of its own arms, whatever the comparator."""
    study, treatment, events, people, reference = columns
    f = frame(name)
    names = f[study].astype(str) if isinstance(study, str) else f[list(study)].astype(str)
    f["key"] = names if isinstance(study, str) else names.agg(" ".join, axis=1)
    arms = {(r["key"], r[treatment]): (r[events], r[people]) for _, r in f.iterrows()}
    data = evidence.data
    used = 0
    for row in range(evidence.size):
        key = str(data["study"][row].item())
        one, two = (str(data[c][row].item()) for c in ("treatment", "comparator"))
        assert str(data["outcome"][row].item()) == f"{one} vs {two}"
        right = risk_ratio(*arms[key, one], *arms[key, two])
        if np.isfinite(float(data["effect"][row])):
            used += 1
            np.testing.assert_allclose(
                [float(data["effect"][row]), float(data["se"][row])], right, atol=1e-3
            )
    assert used >= 3
    assert reference in set(map(str, data["comparator"].to_numpy()))
    assert default_analyses(evidence)


@pytest.mark.parametrize("name", sorted(AS_FOUND))
def test_a_frame_is_pooled_as_it_is_found(name):
    check(open_dataset(FRAMES / f"{name}.csv", strict=False), AS_FOUND[name], name)


@pytest.mark.parametrize("name", sorted(ARMS))
def test_arms_become_contrasts_within_their_studies(name):
    check_arms(open_dataset(FRAMES / f"{name}.csv", strict=False), name, ARMS[name])


@pytest.mark.parametrize("name", sorted(WITH_AN_OPTION))
def test_a_frame_is_asked_about_and_pooled_with_the_answer(name):
    with pytest.raises(EvidenceError, match="--columns"):
        open_dataset(FRAMES / f"{name}.csv", strict=False)
    text, right = WITH_AN_OPTION[name]
    stated = dict(pair.split("=") for pair in text.split(","))
    check(open_dataset(FRAMES / f"{name}.csv", strict=False, columns=stated), right, name)


def test_arms_whose_events_are_named_become_contrasts():
    for name, (text, columns) in ARM_WITH_AN_OPTION.items():
        with pytest.raises(EvidenceError, match="--columns stroke=events,total=n"):
            open_dataset(FRAMES / f"{name}.csv", strict=False)
        stated = dict(pair.split("=") for pair in text.split(","))
        found = open_dataset(FRAMES / f"{name}.csv", strict=False, columns=stated)
        check_arms(found, name, columns)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_frame_without_a_result_is_named_by_what_it_is(name):
    with pytest.raises(EvidenceError, match=REFUSED[name]) as caught:
        open_dataset(FRAMES / f"{name}.csv", strict=False)
    assert str(caught.value).startswith(f"{name}.csv: ")


def test_the_table_of_frames_is_whole():
    kinds = (AS_FOUND, ARMS, WITH_AN_OPTION, ARM_WITH_AN_OPTION, REFUSED)
    named = [name for kind in kinds for name in kind]
    assert sorted(named) == sorted(path.stem for path in FRAMES.glob("*.csv"))
    assert len(AS_FOUND) + len(ARMS) >= 40
    assert len(named) - len(REFUSED) >= 52
