"""Compare what an exported model answers with what the model predicts."""

import pickle
import warnings

import numpy as np
from scipy.sparse import issparse

from sklearn_prune.persistence.export.walks import Steps, TreeWalk, tree_forms
from sklearn_prune.persistence.export.witnesses import (
    as_whole,
    columns_of,
    reads_texts,
    rows_of,
    tied,
    witness_rows,
)

TOLERANCE = 2e-5  # largest difference of scores, relative where they exceed 1
EXACT, EXACT_SINGLE = 1e-10, 2e-6  # the same of trees, with double or single sums
ROUNDED = 1e-2  # where a part of the graph computes in single precision
LINKED = 4  # units in the last place, of functions such as exp
PROMISED, PROMISED_SINGLE = 1e-12, 1e-6  # of C and files, of the largest score
NARROWED = 1e-5  # where C gives double scores in single precision
_N_MOVED = 24  # rows beside a row whose label may be a tie
_METHODS = {
    "label": "predict",
    "variable": "predict",
    "scores": "decision_function",
    "transformed": "transform",
}


class Comparison:
    """A model, what was exported of it, and the report on both.

    Parameters
    ----------
    model : estimator
        The fitted model.
    compact : predictor
        Its compact form.
    artefact : Session, Program or StoredModel
        What was exported.
    report : ExportReport
        What is found is added to it.
    most : int or None, default=None
        The largest number of nodes of trees that are tried.
    """

    def __init__(self, model, compact, artefact, report, *, most=None):
        self.model, self.compact, self.artefact = model, compact, artefact
        self.report, self.most = report, most
        self.near = ROUNDED if artefact.rounded else TOLERANCE  # of the model itself
        self._reference = None

    def run(self, X=None):
        """Compare the answers for X and for rows that are made of the model."""
        model, compact, artefact, report = (
            self.model,
            self.compact,
            self.artefact,
            self.report,
        )
        report.tolerance = 0.0 if artefact.is_exact else self.near
        for name in artefact.outputs:
            if not hasattr(model, method_of(name)):
                report.reasons.append(
                    f"It gives {name!r}, but {type(model).__name__} has no "
                    f"{method_of(name)}."
                )
                return
        if X is not None and len(X):
            self.compare(X, "the rows of X", ties=True)
        shape, kinds, documents = artefact.shape, artefact.dtypes, reads_texts(compact)
        if len(shape) > 1:
            if all(shape):
                rows = np.random.default_rng(0).normal(size=(64, *shape))
                rows = np.concatenate([0.3 * rows, 9 * rows, 0 * rows[:1]])
                self.compare(rows.astype(kinds[0]), "random rows", ties=True)
            return
        if len(kinds) == 1 and not documents:
            kinds = kinds * (getattr(compact, "n_features_in_", None) or shape[0])
        n_before, jitter = report.n_rows, 1e-3 if artefact.rounded else 0.0
        ask = model.predict if hasattr(model, "predict") else model.transform
        made = witness_rows(ask, compact, kinds, documents=documents, jitter=jitter)
        for rows, _ in made:
            self.compare(rows, "rows made of the model", ties=True)
        if report.n_rows == n_before:
            report.reasons.append("The model refuses all rows that were made of it.")
        if artefact.rounded or documents:
            return
        if not any(kind.kind == "O" for kind in kinds):
            self._walk(tree_forms(compact, np.arange(len(kinds))), kinds)
        if hasattr(compact, "steps_"):
            self._walk_behind_steps(kinds, made)

    def _walk(self, forms, kinds):
        """Compare answers on both sides of the thresholds of trees."""
        forms, kind = list(forms), np.result_type(*kinds, np.float32)
        for walk, columns in self._walks(forms, kind):
            self.report.n_nodes += len(walk.nodes)
            self.report.n_thresholds += walk.n_thresholds()
            for part in walk.rows():
                rows = np.zeros((len(part), len(kinds)), dtype=part.dtype)
                rows[:, columns] = part[:, : len(columns)]
                for typed in _typed(rows, kinds):
                    self._compare_near(rows_of(typed, self.compact), walk)

    def _walks(self, forms, kind):
        allow_nan = self.compact.__sklearn_tags__().input_tags.allow_nan
        most = self.most and -(-self.most // max(1, len(forms)))
        for form, columns in forms:
            yield TreeWalk(form, kind, allow_nan=allow_nan, most=most), columns

    def _compare_near(self, rows, walk):
        tolerance = TOLERANCE
        predictor = behind_wrappers(self.compact)
        if hasattr(predictor, "trees_"):
            sums = getattr(predictor, "start_", np.zeros(0)).dtype
            double = walk.dtype == sums == np.float64
            tolerance = EXACT if double else EXACT_SINGLE
        if len(rows):
            where = "rows on both sides of thresholds"
            self.compare(rows, where, tolerance=tolerance)

    def _walk_behind_steps(self, kinds, made):
        inner, member = self.artefact.last_step(), self.compact.members_[0]
        width = getattr(member, "n_features_in_", None) or 0
        forms = list(tree_forms(member, np.arange(width)))
        if inner is not None:
            own = Comparison(member, member, inner, self.report, most=self.most)
            own._walk(forms, inner.dtypes * width)
        elif self.artefact.is_exact and made and all(kind.kind in "fO" for kind in kinds):
            steps = Steps(self.compact, columns_of(made[0][0]), kinds)
            for walk, columns in self._walks(forms, np.float64):
                known = np.flatnonzero(np.isin(columns, steps.invertible))
                if not walk.keep(known):
                    continue
                self.report.n_nodes += len(walk.nodes)
                self.report.n_thresholds += walk.n_thresholds()
                for part in walk.rows():
                    rows = np.zeros((len(part), width))
                    rows[:, columns] = part[:, : len(columns)]
                    self._compare_near(steps.rows_before(rows), walk)

    def compare(self, X, where, *, ties=False, tolerance=None):
        """Compare the answers for rows.

        With `ties`, a label may differ where the model changes its own for rows that differ
        by rounding.
        """
        artefact, report = self.artefact, self.report
        if artefact.is_exact and hasattr(behind_wrappers(self.compact), "trees_"):
            ties = False
        X = artefact.as_read(X)
        found = artefact.answers(X)
        wanted = expected(self.model, X, found)
        tolerance = tolerance or self.near
        if artefact.is_exact and any(map(_narrowed, wanted.values(), found.values())):
            tolerance = max(tolerance, NARROWED)
        wrong, largest, ulp = differences(wanted, found, tolerance)
        whole = wrong.get(None, np.zeros(0, dtype=bool))
        if not len(whole) and ties and not isinstance(X, list):
            self._forgive(wrong, X, found, tolerance)
        if artefact.is_exact and not len(whole):
            strict, largest, ulp = self._promised(X, found)
            wrong |= {name: wrong[name] | mask for name, mask in strict.items()}
        rows = np.any(list(wrong.values()), axis=0)
        report.n_rows += len(rows)
        report.n_different += int(rows.sum())
        report.largest_difference = max(report.largest_difference, largest)
        report.largest_ulp = max(report.largest_ulp, ulp)
        if "label" in found:
            equal = not wrong.get("label", rows).any()
            report.labels_equal = equal and report.labels_equal is not False
        if rows.any():
            allowed = report.tolerance if artefact.is_exact else tolerance
            gap = f", scores by up to {largest:.2g}" if largest > allowed else ""
            report.reasons.append(
                f"{rows.sum()} of {len(rows)} answers differ on {where}{gap}."
            )

    def _forgive(self, wrong, X, found, tolerance):
        """Count rows as equal on which the answer of the model is ambiguous."""
        rows = np.any(list(wrong.values()), axis=0)
        if not rows.any():
            return
        fine = tied(self.compact, X)
        for row in np.flatnonzero(rows & ~fine)[:50] if isinstance(X, np.ndarray) else ():
            fine[row] = _is_tie(self.model, X[row], found, row, tolerance)
        for mask in wrong.values():
            mask &= ~fine

    def _promised(self, X, found):
        """Rows with other scores than the compact form gives, by what is promised of it."""
        if self._reference is None:
            self._reference = as_loaded(self.compact)
        wanted = expected(self._reference, X, found)
        wanted = {name: own for name, own in wanted.items() if name != "label"}
        tolerance, ulps = {}, {}
        for name, own in wanted.items():
            single = own.dtype == np.float32
            tolerance[name] = PROMISED_SINGLE if single else PROMISED
            n_ulp = ulps_of(self.compact, name)
            if _narrowed(own, found[name]):
                tolerance[name] = NARROWED
            elif n_ulp is not None:
                ulps[name] = n_ulp
                tolerance[name] = n_ulp * float(np.finfo(own.dtype).eps)
        self.report.tolerance = max(self.report.tolerance, *tolerance.values(), 0.0)
        return differences(wanted, found, tolerance, ulps, of_all=True)


def _typed(rows, kinds):
    """Columns in their types; integers on both sides of a threshold."""
    whole = any(kind.kind != "f" for kind in kinds)
    for near in (np.floor, np.ceil) if whole else (np.asarray,):
        yield [
            own.astype(kind) if kind.kind == "f" else as_whole(near(own), kind)
            for own, kind in zip(rows.T, kinds, strict=True)
        ]


def method_of(name):
    """The method of a model that an answer stands for."""
    return _METHODS.get(name, "predict_proba")


def expected(model, X, names):
    """What a model gives for each answer of an artefact."""
    found = {}
    for name in names:
        answer = quietly(getattr(model, method_of(name)), X)
        if isinstance(answer, list) and name.startswith("probabilities_"):
            answer = answer[int(name.rpartition("_")[2])]
        found[name] = dense(answer)
    return found


def quietly(function, *args, **options):
    """What a function gives, without warnings about numbers."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return function(*args, **options)


def dense(answer):
    """An array of an answer that may be sparse or a frame."""
    return np.asarray(answer.toarray() if issparse(answer) else answer)


def behind_wrappers(compact):
    """The predictor behind steps and the choice of columns."""
    while hasattr(compact, "steps_") or hasattr(compact, "inner_"):
        compact = compact.members_[0] if hasattr(compact, "steps_") else compact.inner_
    return compact


def as_loaded(compact):
    """A predictor as a loaded one computes: by numpy."""
    try:
        return pickle.loads(pickle.dumps(compact))
    except Exception:  # parts of the user, which have no pickle
        return compact


def ulps_of(compact, name):
    """How many units in the last place scores may differ; None without such a promise."""
    predictor = behind_wrappers(compact)
    if not hasattr(predictor, "trees_"):
        return None
    link = getattr(predictor, "link_", "identity")
    if name.startswith("probabilities"):
        return LINKED * (hasattr(predictor, "link_") or hasattr(predictor, "intercept_"))
    return LINKED * (name == "variable" and link != "identity")


def _narrowed(own, got):
    return own.dtype == np.float64 and np.asarray(got).dtype == np.float32


def differing(wanted, found, tolerance):
    """A mask of the rows that differ."""
    return np.any(list(differences(wanted, found, tolerance)[0].values()), axis=0)


def differences(wanted, found, tolerance, ulps=None, *, of_all=False):
    """Rows that differ, and by how much.

    Returns
    -------
    wrong : dict of str to mask
        By the name of the answer, which rows are outside of the tolerance. Where the shape
        is another one, all of them, by the name None.
    largest, largest_ulp : float
        The largest difference of a score, divided by the largest score of the row where
        that exceeds 1, or with `of_all` by the largest one of all rows; and in units in the
        last place of the largest score of the row.
    """
    wrong, largest, largest_ulp = {}, 0.0, 0.0
    for name, own in wanted.items():
        got = np.asarray(found[name])
        if got.size == own.size and min(got.ndim, own.ndim) < 2:
            got = got.reshape(own.shape)
        if got.shape != own.shape:
            return {None: np.ones(len(own), dtype=bool)}, np.inf, np.inf
        if own.dtype.kind not in "fc" or name == "label":
            with np.errstate(invalid="ignore"):
                differs = np.asarray((got != own) & ~((got != got) & (own != own)))
            wrong[name] = differs.reshape(len(own), -1).any(axis=1)
            continue
        gap, size, ulp = _gaps(own, got)
        size = (size.max(initial=0.0) or 1.0) if of_all else np.maximum(size, 1.0)
        with np.errstate(all="ignore"):
            gap = gap / size
        allowed = tolerance[name] if isinstance(tolerance, dict) else tolerance
        wrong[name] = ulp > ulps[name] if ulps and name in ulps else gap > allowed
        largest = max(largest, float(gap.max(initial=0.0)))
        largest_ulp = max(largest_ulp, float(ulp.max(initial=0.0)))
    return wrong, largest, largest_ulp


def _gaps(own, got):
    """Of each row: the largest difference, the largest score, and their ratio in ulps."""
    dtype = got.dtype if got.dtype.kind == "f" else np.dtype(np.float64)
    with np.errstate(all="ignore"):
        own = own.astype(dtype)
        gap = np.abs(got - own.astype(np.float64))
        same = (got == own) | (np.isnan(got) & np.isnan(own))
        gap = np.where(same, 0.0, np.where(np.isnan(gap), np.inf, gap))
        gap = gap.reshape(len(own), -1).max(axis=1, initial=0.0)
        size = np.where(np.isfinite(own), np.abs(own), 0).reshape(len(own), -1)
        size = size.max(axis=1, initial=0.0)
        scale = np.where(size > 0, size, size.max(initial=0.0) or 1.0)
        unit = np.spacing(scale.astype(dtype)).astype(np.float64)
        return gap, size.astype(np.float64), gap / unit


def _is_tie(model, row, found, number, tolerance):
    """Whether the model answers as the artefact does for a row that differs by rounding."""
    rng = np.random.default_rng(0)
    step = 1e-6 if row.dtype == np.float32 or tolerance == ROUNDED else 1e-12
    moved = row * (1 + step * rng.uniform(-1, 1, (_N_MOVED, *row.shape)))
    moved = moved + 1e-3 * step * rng.uniform(-1, 1, moved.shape)
    try:
        wanted = expected(model, moved.astype(row.dtype), found)
    except ValueError:
        return False
    own = {
        name: np.repeat(part[[number]], _N_MOVED, axis=0) for name, part in found.items()
    }
    return not differing(wanted, own, tolerance).all()
