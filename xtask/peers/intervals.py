"""Intervals of a mean over seeds and test samples, from the analysis of variance of statsmodels and the quantiles of SciPy.

    python xtask/peers/intervals.py gblend-cli/tests/fixtures/intervals.json

Needs `numpy`, `scipy`, `pandas` and `statsmodels`.
"""

import json
import sys

import numpy as np
import pandas as pd
from scipy.stats import t
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm


def crossed(table):
    """Of a table of differences [seed, sample], every seed with the same samples."""
    seeds, samples = table.shape
    rows = [
        {"seed": f"s{i}", "sample": f"x{j}", "d": table[i, j]} for i in range(seeds) for j in range(samples)
    ]
    squares = anova_lm(ols("d ~ C(seed) + C(sample)", data=pd.DataFrame(rows)).fit())["mean_sq"]
    count = seeds * samples
    of_seeds = squares["C(seed)"] / count
    of_these_seeds = squares["C(sample)"] / count
    of_samples = max(squares["C(sample)"] - squares["Residual"], 0.0) / count
    freedom = samples - 1
    half = interval(seeds, of_seeds, of_samples, of_these_seeds, freedom)
    return {
        "table": table.tolist(),
        "mean": float(table.mean()),
        "of_seeds": float(of_seeds),
        "of_samples": float(of_samples),
        "of_these_seeds": float(of_these_seeds),
        "half": float(half),
    }


def interval(seeds, of_seeds, of_samples, of_these_seeds, freedom):
    own, unit = t.ppf(0.975, seeds - 1), t.ppf(0.975, freedom)
    total = of_seeds + of_samples
    cochran = (of_seeds * own + of_samples * unit) / total * np.sqrt(total)
    variance = max(total, of_these_seeds)
    others = variance - of_seeds
    joined = variance**2 / (of_seeds**2 / (seeds - 1) + others**2 / freedom)
    return (cochran + t.ppf(0.975, max(joined, min(seeds - 1, freedom))) * np.sqrt(variance)) / 2


def tables():
    rng = np.random.default_rng(17)
    for seeds, samples, stable in [(3, 30, 0.8), (5, 24, 0.5), (8, 40, 0.9), (4, 20, 0.0)]:
        own = rng.normal(size=samples)
        value = np.sqrt(stable) * own + np.sqrt(1 - stable) * rng.normal(size=(seeds, samples))
        value += 0.3 * rng.normal(size=(seeds, 1))
        yield (value > 0.7).astype(float) - (value < -1.0)
    yield rng.normal(size=(5, 15)) + 0.5 * rng.normal(size=15) + 0.2 * rng.normal(size=(5, 1))


if __name__ == "__main__":
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump([crossed(table) for table in tables()], file, indent=1)
        file.write("\n")
