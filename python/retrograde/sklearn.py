"""scikit-learn estimators: usable in `Pipeline`, `GridSearchCV` and `TimeSeriesSplit`.

X is [N, T, features], a list of N arrays [T_i, features] of unequal length, or 2-D, where every row is a series of one
feature. y has one target a sequence ([N] or [N, outputs]) or one a step ([N, T, outputs]; labels [N, T]).
"""
# scikit-learn has no types, and what pyright guesses from its defaults is too narrow.
# pyright: reportArgumentType=false, reportCallIssue=false

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_array, check_random_state, column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from . import optim
from .cells import GRU, LSTM, Elman
from .network import Network

__all__ = ["RNNClassifier", "RNNRegressor"]

_CELLS: dict[str, type[Network]] = {"elman": Elman, "gru": GRU, "lstm": LSTM}


class _RNN(BaseEstimator):  # type: ignore[misc]
    """What the two share.

    Args:
        cell: "elman", "gru" or "lstm". hidden_size, num_layers, bidirectional, dropout, recurrent_dropout: as in
            `retrograde.LSTM`.
        optimizer: its name, or `rg.Adam(...)`; `lr` is for the name alone.
        epochs, batch_size, bptt, clip_grad_norm, patience: as in `Network.fit`.
        validation_fraction: of the sequences, kept back to choose the best epoch; 0 for none.
        random_state: seed of the start weights, the order and dropout.
    """

    def __init__(
        self,
        hidden_size: int = 32,
        *,
        cell: str = "lstm",
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        optimizer: Any = "adam",
        lr: float = 1e-2,
        epochs: int = 100,
        batch_size: int = 32,
        bptt: Any = "full",
        clip_grad_norm: float = 1.0,
        validation_fraction: float = 0.0,
        patience: int = 0,
        random_state: Any = None,
        verbose: bool = False,
    ):
        self.hidden_size = hidden_size
        self.cell = cell
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.recurrent_dropout = recurrent_dropout
        self.optimizer = optimizer
        self.lr = lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.bptt = bptt
        self.clip_grad_norm = clip_grad_norm
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.random_state = random_state
        self.verbose = verbose

    def _sequences(self, X: Any, reset: bool) -> tuple[Any, list[int] | None]:
        """X as [N, T, features], and lengths where they differ."""
        lengths = None
        if _is_ragged(X):
            parts = [check_array(part, dtype=np.float32) for part in X]
            lengths = [len(part) for part in parts]
            widths = {part.shape[1] for part in parts}
            if len(widths) > 1:
                raise ValueError(f"the sequences have {sorted(widths)} features; all must have the same")
            X = np.zeros((len(parts), max(lengths), widths.pop()), dtype=np.float32)
            for row, part in zip(X, parts, strict=True):
                row[: len(part)] = part
        if getattr(X, "ndim", 0) == 3 or (isinstance(X, list) and np.ndim(X) == 3):
            X = check_array(X, dtype=np.float32, allow_nd=True)
            if reset:
                self.n_features_in_ = X.shape[2]
            elif X.shape[2] != self.n_features_in_:
                raise ValueError(
                    f"X has {X.shape[2]} features, but {type(self).__name__} is expecting "
                    f"{self.n_features_in_} features"
                )
            return X, lengths
        return validate_data(self, X, reset=reset, dtype=np.float32)[:, :, None], None

    def _train(self, X: Any, lengths: Any, y: Any, outputs: int, activation: str, at: Any, loss: str) -> None:
        if self.cell not in _CELLS:
            raise ValueError(f"cell is {self.cell!r}; it may be {', '.join(_CELLS)}")
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        optimizer = self.optimizer
        if isinstance(optimizer, str):
            kinds = {"sgd": optim.SGD, "rmsprop": optim.RMSprop, "adam": optim.Adam, "adamw": optim.AdamW}
            if optimizer not in kinds:
                raise ValueError(f"optimizer is {optimizer!r}; it may be {', '.join(kinds)}")
            optimizer = kinds[optimizer](lr=self.lr)
        network: Any = _CELLS[self.cell](
            X.shape[2], self.hidden_size, self.num_layers, bidirectional=self.bidirectional, dropout=self.dropout,
            recurrent_dropout=self.recurrent_dropout, seed=seed,
        )  # fmt: skip
        self.network_ = network.with_head(outputs, activation, at)
        self.history_ = self.network_.fit(
            X, y, lengths, loss=loss, optimizer=optimizer, epochs=self.epochs, batch_size=self.batch_size,
            bptt=self.bptt, clip_grad_norm=self.clip_grad_norm, valid=self.validation_fraction or None,
            patience=self.patience, verbose=bool(self.verbose), seed=seed,
        )  # fmt: skip
        self.n_iter_ = len(self.history_)

    def _outputs(self, X: Any) -> Any:
        check_is_fitted(self)
        x, lengths = self._sequences(X, reset=False)
        return self.network_(x, lengths=lengths)[0]


def _is_ragged(X: Any) -> bool:
    """A list, or an array of objects, of 2-D arrays."""
    if isinstance(X, np.ndarray) and X.dtype != object:
        return False
    if not isinstance(X, (list, tuple, np.ndarray)) or len(X) == 0:
        return False
    return all(isinstance(part, np.ndarray) and part.dtype != object and part.ndim == 2 for part in X)


class RNNRegressor(RegressorMixin, _RNN):  # type: ignore[misc]
    """A recurrent network that predicts numbers, one or several a sequence or a step, under the squared error."""

    __doc__ = f"{__doc__}\n\n    {_RNN.__doc__}"

    def fit(self, X: Any, y: Any) -> RNNRegressor:
        """Trains on sequences X and targets y; see the module's head for their shapes."""
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        x, lengths = self._sequences(X, reset=True)
        y = check_array(y, ensure_2d=False, allow_nd=True, dtype=np.float32)
        if len(y) != len(x):
            raise ValueError(f"X holds {len(x)} sequences, y {len(y)} targets")
        self._flat = y.ndim == 1
        target = y[:, None] if self._flat else y
        self._train(
            x, lengths, target, target.shape[-1], "identity", "every" if y.ndim == 3 else "last", "squared_error"
        )
        return self

    def predict(self, X: Any) -> Any:
        """What is expected for the sequences X: [N] or [N, outputs], or [N, T, outputs], as y was."""
        y = self._outputs(X).astype(np.float64)
        return y[:, 0] if self._flat else y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.non_deterministic = False
        return tags


class RNNClassifier(ClassifierMixin, _RNN):  # type: ignore[misc]
    """A recurrent network that predicts a label a sequence or a step, under the softmax cross entropy."""

    __doc__ = f"{__doc__}\n\n    {_RNN.__doc__}"

    def fit(self, X: Any, y: Any) -> RNNClassifier:
        """Trains on sequences X and labels y, [N] or [N, T]."""
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None")
        x, lengths = self._sequences(X, reset=True)
        y = check_array(y, ensure_2d=False, dtype=None)
        steps = y.ndim == 2 and y.shape == x.shape[:2] and y.shape[1] > 1
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if len(y) != len(x):
            raise ValueError(f"X holds {len(x)} sequences, y {len(y)} labels")
        check_classification_targets(y.reshape(-1))
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y holds {len(self.classes_)} class; a classifier needs at least 2 classes")
        labels = labels.reshape(y.shape)
        self._train(
            x, lengths, labels, len(self.classes_), "softmax", "every" if steps else "last", "softmax_cross_entropy"
        )
        return self

    def predict_proba(self, X: Any) -> Any:
        """The labels' probabilities for the sequences X: [N, classes], or [N, T, classes]."""
        return self._outputs(X)

    def predict(self, X: Any) -> Any:
        """The likeliest labels of the sequences X, [N] or [N, T]."""
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(-1)]
