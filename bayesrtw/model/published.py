"""Published heterogeneity priors as a table: what each is for, and where it comes from.

All are priors of the standard deviation tau on the measure's own scale. Sources: Bartos et al. (2021),
*Statistics in Medicine* 40:6743-6762, doi:10.1002/sim.9170 (Cochrane groups); Turner et al. (2015),
*Statistics in Medicine* 34:984-998, doi:10.1002/sim.6381 (predictive distributions for binary
outcomes, printed for tau^2: log-normal with mean -2.56 and SD 1.74, halved here for tau).
"""

from dataclasses import dataclass

from bayesrtw.model.prior import HalfNormal, InverseGamma, LogNormal, Prior


@dataclass(frozen=True, slots=True)
class Published:
    """A published prior.

    Attributes
    ----------
    name
        Short name, for tables.
    measures
        Measures that it was fitted to.
    tau
        The prior.
    source
        Where it is printed.
    """

    name: str
    measures: tuple[str, ...]
    tau: Prior
    source: str


_BARTOS = "doi:10.1002/sim.9170"

PUBLISHED: tuple[Published, ...] = (
    Published("Cochrane Work", ("log_odds_ratio",), InverseGamma(1.79, 0.73), _BARTOS),
    Published("Cochrane Work", ("log_risk_ratio",), InverseGamma(1.50, 0.26), _BARTOS),
    Published(
        "Cochrane Work", ("standardised_mean_difference",), InverseGamma(1.76, 0.39), _BARTOS
    ),
    Published("Cochrane Work", ("risk_difference",), HalfNormal(0.123), _BARTOS),
    Published("Cochrane, all", ("log_hazard_ratio",), InverseGamma(2.42, 0.30), _BARTOS),
    Published(
        "Turner, marginal", ("log_odds_ratio",), LogNormal(-1.28, 0.87), "doi:10.1002/sim.6381"
    ),
)

#: Half-normal scales that are tried on log scales and for standardised differences, from sceptical
#: to wide; for differences in a unit they are multiplied by the registered scale.
SCALES: tuple[float, ...] = (0.1, 0.25, 0.5, 1.0)


def panel(measure: str, unit_scale: float = 1.0) -> dict[str, Prior]:
    """Give the priors of tau that a result should be held against.

    Parameters
    ----------
    measure
        Name of the measure.
    unit_scale
        What the half-normal scales are multiplied by: 1 for ratios and standardised differences.

    Returns
    -------
    dict
        Name to prior: half-normal ones, then those published for the measure.
    """
    found: dict[str, Prior] = {
        f"half-normal({scale * unit_scale:g})": HalfNormal(scale * unit_scale) for scale in SCALES
    }
    for entry in PUBLISHED:
        if measure in entry.measures:
            found[f"{entry.name} ({entry.source})"] = entry.tau
    return found
