"""Pools of heads as SciPy solves them: exponents by L-BFGS-B, weights of an average by SLSQP.

    python xtask/peers/pools.py gblend-core/tests/fixtures/pools.json

Needs `numpy` and `scipy`.
"""

import json
import sys

import numpy as np
from scipy.optimize import LinearConstraint, minimize
from scipy.special import log_softmax, logsumexp, softmax

STRENGTH, LEAST, MOST = 10.0, -14.0, 4.0


def exponents(probabilities, right, groups=None):
    """`probabilities` [head, sample, answer]; of so many groups, each sample of its own if not said."""
    heads, samples, _ = probabilities.shape
    with np.errstate(divide="ignore"):
        logs = np.log(np.concatenate([probabilities, probabilities.mean(0, keepdims=True)]))
    logs = np.maximum(logs, LEAST)
    center = np.array([0.0] * heads + [1.0])
    at = np.arange(samples)
    groups = groups or samples
    # How far each head's exponent is from the mean exponent of all heads.
    tie = np.zeros((heads + 1, heads + 1))
    tie[:heads, :heads] = (STRENGTH / groups - STRENGTH / samples) * (np.eye(heads) - 1 / heads)
    penalty = STRENGTH / samples * np.eye(heads + 1)

    def loss(e):
        pooled = np.einsum("h,hsa->sa", e, logs)
        distance = e - center
        value = np.mean(logsumexp(pooled, 1) - pooled[at, right]) + distance @ penalty @ distance + e @ tie @ e
        q = np.exp(log_softmax(pooled, 1))
        slope = np.mean(np.einsum("sa,hsa->hs", q, logs) - logs[:, at, right], 1)
        return value, slope + 2 * penalty @ distance + 2 * tie @ e

    options = {"ftol": 1e-16, "gtol": 1e-12, "maxiter": 10000, "maxfun": 100000}
    found = minimize(loss, center, jac=True, method="L-BFGS-B", bounds=[(0, MOST)] * len(center), options=options)
    pooled = softmax(np.einsum("h,hsa->sa", found.x, logs), 1)
    return {
        "probabilities": probabilities.tolist(),
        "right": right.tolist(),
        "groups": groups,
        "exponents": found.x.tolist(),
        "value": float(found.fun),
        "pooled": pooled[:3].tolist(),
    }


def average(rows, right, groups=None):
    """`rows` [sample, head]; of so many groups, each sample of its own if not said."""
    samples, heads = rows.shape
    groups = groups or samples
    scale = right.var()
    errors = rows - right[:, None]

    def loss(w):
        distance = w - 1 / heads
        return np.mean((errors @ w) ** 2) / scale + STRENGTH / groups * distance @ distance

    found = minimize(
        loss,
        np.full(heads, 1 / heads),
        method="SLSQP",
        bounds=[(0, 1)] * heads,
        constraints=[LinearConstraint(np.ones(heads), 1, 1)],
        options={"ftol": 1e-16, "maxiter": 10000},
    )
    return {
        "rows": rows.tolist(),
        "right": right.tolist(),
        "groups": groups,
        "weights": found.x.tolist(),
        "value": float(found.fun),
    }


def main():
    rng = np.random.default_rng(1905)
    classes, numbers = [], []
    for heads, samples, answers, strengths in [
        (3, 40, 4, (2.0, 0.5, 1.0)),
        (4, 200, 3, (0.0, 1.5, 3.0, 2.0)),
        (2, 90, 2, (6.0, 0.2)),
        (3, 12, 5, (1.0, 1.0, 1.0)),
    ]:
        right = rng.integers(answers, size=samples)
        scores = rng.normal(size=(heads, samples, answers))
        for head, strength in enumerate(strengths):
            scores[head, np.arange(samples), right] += strength
            scores[head] *= 0.5 + 2 * head
        probabilities = np.round(softmax(scores, 2), 4)
        probabilities[0, 0] = np.eye(answers)[(right[0] + 1) % answers]
        classes.append(exponents(probabilities, right))
    for heads, samples, noise in [(3, 60, (0.5, 1.0, 0.2)), (4, 300, (3.0, 0.4, 0.5, 5.0)), (2, 15, (1.0, 1.0))]:
        right = rng.normal(3.0, 2.0, size=samples)
        rows = right[:, None] + rng.normal(size=(samples, heads)) * np.array(noise)
        rows[:, 0] += 0.5
        rows, right = np.round(rows, 4), np.round(right, 4)
        numbers.append(average(rows, right))
    # The same samples of few groups, down to one: two speakers' words, say.
    for case, groups in [(1, 1), (1, 8), (2, 3)]:
        probabilities, right = classes[case]["probabilities"], classes[case]["right"]
        classes.append(exponents(np.array(probabilities), np.array(right), groups))
    for case, groups in [(0, 2), (1, 7)]:
        numbers.append(average(np.array(numbers[case]["rows"]), np.array(numbers[case]["right"]), groups))
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump({"exponents": classes, "average": numbers}, file)
        file.write("\n")


main()
