"""Small data sets of every kind, drawn by hypothesis."""

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st
from scipy.sparse import csr_array

MOST_ROWS = 60


@dataclass(frozen=True, eq=False)
class Problem:
    """Rows, targets and what is known of the rows beside.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        The rows.
    y : ndarray of shape (n_samples,)
        Labels or floats.
    task : {"classification", "regression"}
        What y is.
    sample_weight, groups : ndarray of shape (n_samples,) or None
        Fit parameters.
    """

    X: object
    y: np.ndarray
    task: str
    sample_weight: np.ndarray | None = None
    groups: np.ndarray | None = None

    def __len__(self):
        return len(self.y)

    @property
    def fit_params(self):
        """The fit parameters that there are."""
        params = {"sample_weight": self.sample_weight, "groups": self.groups}
        return {name: value for name, value in params.items() if value is not None}

    @property
    def n_classes(self):
        """Number of classes, 0 for a regression."""
        return len(np.unique(self.y)) if self.task == "classification" else 0

    def take(self, rows):
        """The problem of these rows, in this order."""
        parts = {name: value[rows] for name, value in self.fit_params.items()}
        return replace(self, X=self.X[rows], y=self.y[rows], **parts)


@st.composite
def problems(
    draw,
    *,
    tasks=("classification", "regression"),
    min_rows=2,
    max_rows=MOST_ROWS,
    min_columns=1,
    ties=True,
    sparse=True,
    weights=True,
    groups=True,
    dtypes=("float64", "float32"),
):
    """Draw a problem; without ties, the rows are drawn from continuous densities.

    Every classification has two classes at least; some classes have a single row. Integers
    are classes, other numbers are not.
    """
    task = draw(st.sampled_from(tasks))
    n, d = draw(st.integers(min_rows, max_rows)), draw(st.integers(min_columns, 5))
    layout = draw(st.sampled_from(["even", "rare"] + ["grid", "copies"] * ties))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    X = rng.normal(size=(n, d)) * (rng.choice([0.1, 1.0, 10.0], d) if ties else 1.0)
    if layout == "grid":
        X = rng.integers(0, 3, (n, d)).astype(float)
    elif layout == "copies":
        X = X[rng.integers(0, max(1, n // 4), n)]
    if task == "classification":
        y = _labels(draw, rng, n, rare=layout == "rare")
    else:
        y = X @ rng.normal(size=d) + 0.3 * rng.normal(size=n)
        if layout == "grid":
            y = np.round(y) + 0.25
    X = X.astype(draw(st.sampled_from(dtypes)))
    if sparse and draw(st.integers(0, 4)) == 0:
        X = csr_array(np.where(rng.random(X.shape) < 0.4, 0, X).astype(X.dtype))
    sample_weight = draw(
        st.sampled_from([None, None, "counts", "reals"] * weights or [None])
    )
    if sample_weight == "counts":
        sample_weight = rng.integers(0, 4, n).astype(float)
        sample_weight[:2] = 1.0
    elif sample_weight == "reals":
        sample_weight = rng.random(n) + 0.1
    n_groups = draw(st.sampled_from([0, 0, 2, max(2, n // 2)])) if groups else 0
    groups = None
    if n_groups:
        groups = rng.integers(0, n_groups, n)
        groups[:2] = [0, 1]
    return Problem(X, y, task, sample_weight, groups)


def _labels(draw, rng, n, *, rare):
    n_classes = draw(st.integers(2, 5))
    shares = 0.15 ** np.arange(n_classes) if rare else np.ones(n_classes)
    y = rng.choice(n_classes, n, p=shares / shares.sum())
    y[:2] = [0, 1]
    kind = draw(st.sampled_from(["codes", "gaps", "words", "flags"]))
    if kind == "flags":
        return y > 0
    if kind == "words":
        return np.array(["no", "yes", "maybe", "so", "say"])[y]
    return y if kind == "codes" else 3 * y - 2
