"""The estimators are scikit-learn's citizens."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from retrograde.sklearn import RNNClassifier, RNNRegressor
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

# What cannot hold for networks that are trained in batches, or on 3-D input, and why.
EXPECTED: dict[str, str] = {}


@parametrize_with_checks(
    [RNNRegressor(8, epochs=60), RNNClassifier(8, epochs=60)], expected_failed_checks=lambda estimator: EXPECTED
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_a_pipeline_in_a_grid_search_over_time(rng):
    x = rng.standard_normal((60, 10))
    y = x[:, -3:].sum(axis=1)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), RNNRegressor(8, epochs=30, random_state=1)),
        {"rnnregressor__cell": ["elman", "gru"]},
        cv=TimeSeriesSplit(2),
    ).fit(x, y)
    assert set(search.cv_results_["param_rnnregressor__cell"]) == {"elman", "gru"}
    assert search.predict(x).shape == (60,)


def test_sequences_of_three_dimensions_and_unequal_length(rng):
    lengths = rng.integers(2, 9, 50)
    ragged = [rng.standard_normal((n, 3)) for n in lengths]
    labels = np.array(["down", "up"])[[int(s[:, 0].sum() > 0) for s in ragged]]
    classifier = RNNClassifier(12, epochs=60, random_state=1).fit(ragged, labels)
    assert classifier.score(ragged, labels) > 0.95
    assert classifier.predict_proba(ragged).shape == (50, 2)
    with pytest.raises(ValueError, match="2 features, but RNNClassifier is expecting 3"):
        classifier.predict(np.zeros((4, 5, 2)))


def test_a_target_for_every_step(rng):
    x = rng.standard_normal((40, 6, 2))
    y = np.cumsum(x, axis=1)
    regressor = RNNRegressor(16, cell="gru", epochs=60, random_state=1).fit(x, y)
    assert regressor.predict(x).shape == y.shape
    assert np.mean((regressor.predict(x) - y) ** 2) < 0.3 * y.var()
    steps = (x[:, :, 0] > 0).astype(int)
    assert (RNNClassifier(8, epochs=60, random_state=1).fit(x, steps).predict(x) == steps).mean() > 0.95
