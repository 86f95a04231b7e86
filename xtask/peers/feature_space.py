"""Stored answers of scikit-learn, which gblend's readings of feature spaces are tested against.

    python xtask/peers/feature_space.py > gblend-cli/tests/fixtures/feature_space.json

Needs `scikit-learn` and `numpy`. Features are multiples of 1/256, so that float32 holds them exactly.
"""

import json
import sys

import numpy as np
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import average_precision_score
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

NEIGHBORS = 5


def main():
    rng = np.random.default_rng(3)
    cases = []
    for samples, width, classes in ((40, 6, 3), (60, 4, 2), (50, 9, 5)):
        labels = rng.integers(0, classes, samples)
        centers = rng.normal(size=(classes, width))
        features = np.round((centers[labels] + rng.normal(size=(samples, width))) * 256) / 256
        other = np.round((features + rng.normal(size=features.shape)) * 256) / 256
        numbers = rng.integers(0, samples, samples)
        half = samples // 2
        knn = KNeighborsClassifier(NEIGHBORS, metric="cosine", algorithm="brute").fit(features[:half], labels[:half])
        probe = make_pipeline(StandardScaler(), RidgeClassifier(1.0)).fit(features[:half], labels[:half])
        cosines = cosine_similarity(features)
        precisions = []
        for query in range(samples):
            others = np.arange(samples) != query
            relevant = labels[others] == labels[query]
            if relevant.any():
                precisions.append(average_precision_score(relevant, cosines[query][others]))
        ranked = NearestNeighbors(n_neighbors=samples, metric="cosine", algorithm="brute").fit(other)
        order = ranked.kneighbors(features, return_distance=False)
        hits = numbers[order] == numbers[:, None]
        cases.append(
            {
                "width": width,
                "features": features.ravel().tolist(),
                "other": other.ravel().tolist(),
                "labels": labels.tolist(),
                "numbers": numbers.tolist(),
                "knn": (knn.predict(features[half:]) == labels[half:]).tolist(),
                "probe": (probe.predict(features[half:]) == labels[half:]).tolist(),
                "retrieval": float(np.mean(precisions)),
                "recall": [float(hits[:, :first].any(1).mean()) for first in (1, 5, 10)],
            }
        )
    json.dump({"neighbors": NEIGHBORS, "cases": cases}, sys.stdout)
    print()


main()
