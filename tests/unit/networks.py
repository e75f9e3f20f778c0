"""Networks with published answers, and their posteriors by dense normals, without code of the package."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import halfnorm, norm

import bayesrtw as brw
from bayesrtw.model.arm_effects import Arms
from bayesrtw.model.components import Components
from bayesrtw.model.prior import HalfNormal, Normal

NETWORKS = Path(__file__).parents[1] / "networks"

#: Treatments of smoking cessation as NICE DSU TSD4 calls them.
SMOKING = {
    "A": "No intervention",
    "B": "Self-help",
    "C": "Individual counselling",
    "D": "Group counselling",
}

#: Heterogeneity SDs, denser near 0: a trapezium rule on their roots.
TAUS = 40.0 * np.linspace(0.0, 1.0, 2001) ** 2


def smoking() -> brw.Evidence:
    seen = pd.read_csv(NETWORKS / "smoking.csv")
    headings = {"studyn": "study", "trtc": "arm", "r": "events"}
    return brw.Evidence.from_arms(seen, columns=headings, benefit="higher")


def parkinsons() -> brw.Evidence:
    seen = pd.read_csv(NETWORKS / "parkinsons.csv")[["studyn", "trtn", "y", "se"]]
    headings = {"studyn": "study", "trtn": "arm", "y": "mean"}
    return brw.Evidence.from_arms(seen, columns=headings, benefit="lower")


def network_of(none: str, tau: float = 5.0, sd: float = 100.0) -> brw.Model:
    terms = (
        Components(Normal(0, sd), arm="arm", none=(none,)),
        Arms(HalfNormal(tau), baseline=Normal(0, 100)),
    )
    return brw.Model(terms=terms)


def by_hand(
    evidence: brw.Evidence, names: list[str], sd: float = 100.0
) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """Do the same for effects of treatments against the first."""
    arm = evidence.data["arm"].to_numpy().astype(str)
    return dense(evidence, np.array([[float(a == b) for b in names[1:]] for a in arm]), sd)


def dense(
    evidence: brw.Evidence, columns: np.ndarray, sd: float = 100.0
) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """Weights of tau on a grid, and mean and covariance of coefficients given each.

    Baselines N(0, 100^2), coefficients N(0, sd^2), tau half-normal(5): dense normals, no code of the package.
    """
    study = evidence.data["study"].to_numpy().astype(str)
    effect, se = (evidence.data[name].to_numpy() for name in ("effect", "se"))
    together = (study[:, None] == study).astype(float)
    parts, logs = [], []
    for tau in TAUS:
        seen = np.diag(se**2 + tau**2 / 2) + 100.0**2 * together
        inverse = np.linalg.inv(seen)
        precision = columns.T @ inverse @ columns + np.eye(columns.shape[1]) / sd**2
        covariance = np.linalg.inv(precision)
        mean = covariance @ columns.T @ inverse @ effect
        log = -0.5 * (effect @ inverse @ effect - mean @ precision @ mean)
        log += -0.5 * (np.linalg.slogdet(seen)[1] + np.linalg.slogdet(precision)[1])
        logs.append(log + halfnorm.logpdf(tau, scale=5.0))
        parts.append((mean, covariance))
    weight = np.exp(np.array(logs) - max(logs)) * np.sqrt(TAUS)
    weight /= weight.sum()
    return [(share, *part) for share, part in zip(weight, parts, strict=True)]


def moments(parts: list[tuple[float, np.ndarray, np.ndarray]], line: np.ndarray) -> tuple:
    """Mean, SD, and probability above 0 of a combination of coefficients."""
    found = [(share, line @ mean, line @ spread @ line) for share, mean, spread in parts]
    weight, mean, variance = (np.array(each) for each in zip(*found, strict=True))
    middle = weight @ mean
    spread = np.sqrt(weight @ (variance + (mean - middle) ** 2))
    return middle, spread, weight @ norm.cdf(mean / np.sqrt(variance))


def pair_of(parts: list[tuple[float, np.ndarray, np.ndarray]], one: int, other: int) -> tuple:
    """Weights, means and SDs of one treatment against another, 0 the first."""
    line = np.zeros(len(parts[0][1]) + 1)
    line[one] += 1.0
    line[other] -= 1.0
    line = line[1:]
    found = [(share, line @ mean, np.sqrt(line @ spread @ line)) for share, mean, spread in parts]
    return tuple(np.array(each) for each in zip(*found, strict=True))
