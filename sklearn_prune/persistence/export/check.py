"""Check that an exported model gives the labels and scores of the model."""

import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy.sparse import issparse

from sklearn_prune._lazy import import_or_raise
from sklearn_prune.persistence.export.onnx import Session
from sklearn_prune.persistence.export.witnesses import (
    TreeWalk,
    reads_texts,
    rows_of,
    tied,
    tree_forms,
    witness_rows,
)
from sklearn_prune.weight_pruning import compact_form

TOLERANCE = 2e-5  # largest difference of scores, relative where they exceed 1
EXACT, EXACT_SINGLE = 1e-10, 2e-6  # the same of trees, with double or single sums
ROUNDED = 1e-2  # where a part of the graph computes in single precision
_N_MOVED = 24  # rows beside a row whose label may be a tie


@dataclass
class ExportReport:
    """What `check_export` found.

    Attributes
    ----------
    n_rows : int
        Number of rows that were compared.
    n_nodes : int
        Number of nodes of trees on both sides of which rows were compared.
    n_different : int
        Number of rows with another label, or with scores outside `tolerance`.
    largest_difference : float
        Largest difference of a score, divided by its size where that exceeds 1.
    tolerance : float
        The largest difference that is allowed.
    reasons : list of str
        What is wrong, a sentence each. Empty if nothing is.
    """

    n_rows: int = 0
    n_nodes: int = 0
    n_different: int = 0
    largest_difference: float = 0.0
    tolerance: float = TOLERANCE
    reasons: list = field(default_factory=list)

    @property
    def equal(self):
        """Whether the artefact answers as the model does."""
        return not self.reasons


def check_export(model, artefact, X=None, *, on_fail="raise"):
    """Compare an exported model with the model that it was made of.

    The artefact is run. Labels have to be equal, and scores within rounding, on rows that
    are made of the fitted model: values in the range of the fit, negative, zero, missing
    and extreme ones, known and unknown categories, texts of known and unknown terms. Of
    trees, three rows come to each node: with its threshold, and with the next numbers
    below and above it.

    Parameters
    ----------
    model : estimator
        The fitted model that was exported.
    artefact : onnx.ModelProto, bytes, or path of an ``.onnx`` file
        What was exported.
    X : array-like, frame, or list of texts, default=None
        Further rows to compare.
    on_fail : {"raise", "warn", "ignore"}, default="raise"
        What to do if an answer differs.

    Returns
    -------
    ExportReport
        Numbers of rows and of differences, and the reasons. `equal` tells if there are
        none.

    Raises
    ------
    ValueError
        If an answer differs and `on_fail="raise"`, or if an argument is not valid.
    ImportError
        If onnxruntime is not installed.

    Notes
    -----
    Rows that the model refuses are left out. A label may differ where the model changes
    its own answer for rows that differ by rounding, as with equally far neighbours; this
    does not hold for trees. It takes some seconds for a forest of 20,000 nodes.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_prune.persistence import check_export, to_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> model = RandomForestClassifier(10, random_state=0).fit(X, y)
    >>> report = check_export(model, to_onnx(model, X[:1]), X)
    >>> report.equal, report.n_different
    (True, 0)
    """
    if on_fail not in ("raise", "warn", "ignore"):
        raise ValueError(
            f'on_fail must be "raise", "warn" or "ignore". Got {on_fail!r}. Write '
            'on_fail="raise".'
        )
    compact = compact_form(model, "check_export")
    report = ExportReport()
    try:
        session = Session(_opened(artefact))
        compare(model, compact, session, report, _checked(X, compact, session))
    except RuntimeError as error:
        report.reasons.append(f"It does not run in onnxruntime: {error}")
    if report.reasons and on_fail != "ignore":
        message = (
            "The artefact must answer as the model does. "
            f"{' '.join(report.reasons)} Export the fitted model again."
        )
        if on_fail == "raise":
            raise ValueError(message)
        warnings.warn(message, UserWarning, stacklevel=2)
    return report


def _opened(artefact):
    """The graph of an artefact."""
    onnx = import_or_raise("onnx", "check_export", extra="onnx")
    if isinstance(artefact, onnx.ModelProto):
        return artefact
    is_path = isinstance(artefact, str | Path) and Path(artefact).suffix == ".onnx"
    if is_path or isinstance(artefact, bytes):
        from google.protobuf.message import DecodeError

        try:
            content = Path(artefact).read_bytes() if is_path else artefact
            return onnx.load_from_string(content)
        except DecodeError as error:
            raise ValueError(
                f"artefact must be an ONNX graph. Got {len(content)} bytes of something "
                f"else: {error}. Pass what to_onnx returned."
            ) from error
    raise ValueError(
        "artefact must be an onnx.ModelProto, its bytes, or the path of an .onnx file. Got "
        f"{artefact if isinstance(artefact, str | Path) else type(artefact).__name__!r}. "
        "Pass what to_onnx returned."
    )


def _checked(X, compact, session):
    """X as dense rows; raise ValueError unless the artefact reads such rows."""
    X = X.toarray() if issparse(X) else X
    n_inputs = len(session.dtypes) if len(session.dtypes) > 1 else sum(session.shape[:1])
    shape = np.shape(X)
    if X is None or len(session.shape) > 1 or reads_texts(compact):
        return X
    if len(shape) != 2 or (n_inputs and shape[1] != n_inputs):
        raise ValueError(
            f"X must be rows of {n_inputs} columns, as the artefact reads them. Got shape "
            f"{shape}. Pass rows that the model can predict."
        )
    return X


def compare(model, compact, session, report, X=None, *, most=None):
    """Add to a report what a model and a graph answer.

    `compact` is the predictor of the model, `most` the largest number of nodes of trees
    that are tried.
    """
    kinds, rounded = session.dtypes, session.rounded
    report.tolerance = ROUNDED if rounded else TOLERANCE
    for name in (output.name for output in session.model.graph.output):
        if not hasattr(model, _method_of(name)):
            report.reasons.append(
                f"It gives {name!r}, but {type(model).__name__} has no {_method_of(name)}."
            )
            return
    if X is not None and len(X):
        _compare_rows(model, session, X, report, "the rows of X", compact)
    documents = reads_texts(compact)
    if len(session.shape) > 1:
        if all(session.shape):
            rows = np.random.default_rng(0).normal(size=(64, *session.shape))
            rows = np.concatenate([0.3 * rows, 9 * rows, 0 * rows[:1]]).astype(kinds[0])
            _compare_rows(model, session, rows, report, "random rows", compact)
        return
    if len(kinds) == 1 and not documents:
        kinds = kinds * (getattr(compact, "n_features_in_", None) or session.shape[0])
    n_before, jitter = report.n_rows, 1e-3 if rounded else 0.0
    answered = witness_rows(
        model.predict, compact, kinds, documents=documents, jitter=jitter
    )
    for rows, _ in answered:
        _compare_rows(model, session, rows, report, "rows made of the model", compact)
    if report.n_rows == n_before:
        report.reasons.append("The model refuses all rows that were made of it.")
    if not (documents or rounded or any(kind.kind == "O" for kind in kinds)):
        forms = tree_forms(compact, np.arange(len(kinds)))
        _walk(model, compact, forms, session, report, kinds, most)
    if hasattr(compact, "steps_") and not rounded:
        inner = session.last_step()
        member = compact.members_[0]
        if inner is not None:
            kinds = inner.dtypes * (getattr(member, "n_features_in_", None) or 0)
            forms = tree_forms(member, np.arange(len(kinds)))
            _walk(member, member, forms, inner, report, kinds, most)


def _walk(model, compact, forms, session, report, kinds, most):
    """Compare answers on both sides of the thresholds of trees."""
    forms, kind = list(forms), np.result_type(*kinds, np.float32)
    allow_nan = compact.__sklearn_tags__().input_tags.allow_nan
    exact = TOLERANCE
    if hasattr(compact, "trees_"):
        sums = getattr(compact, "start_", np.zeros(0)).dtype
        exact = EXACT if np.float64 == kind == sums else EXACT_SINGLE
    for form, columns in forms:
        walk = TreeWalk(
            form, kind, allow_nan=allow_nan, most=most and -(-most // len(forms))
        )
        report.n_nodes += len(walk.nodes)
        for part in walk.rows():
            rows = np.zeros((len(part), len(kinds)), dtype=part.dtype)
            rows[:, columns] = part[:, : len(columns)]
            for typed in _typed(rows, kinds):
                made = rows_of(typed, compact)
                where = "rows on both sides of thresholds"
                _compare_rows(model, session, made, report, where, exact=exact)


def _typed(rows, kinds):
    """Columns in their types; integers on both sides of a threshold."""
    whole = any(kind.kind != "f" for kind in kinds)
    for near in (np.floor, np.ceil) if whole else (np.asarray,):
        yield [
            (own if kind.kind == "f" else near(np.nan_to_num(own))).astype(kind)
            for own, kind in zip(rows.T, kinds, strict=True)
        ]


def _compare_rows(model, session, X, report, where, compact=None, *, exact=None):
    """Compare the answers for rows; ties count as equal unless a tolerance is given."""
    found = session.answers(X)
    wanted = expected(model, X, found)
    tolerance = exact or report.tolerance
    wrong, largest = differing(wanted, found, tolerance)
    comparable = exact is None and not isinstance(X, list) and len(wrong) == len(X)
    if wrong.any() and comparable:
        wrong &= ~tied(compact, X)
        for row in np.flatnonzero(wrong)[:50] if isinstance(X, np.ndarray) else ():
            wrong[row] = not _is_tie(model, X[row], found, row, tolerance)
    report.n_rows += len(wrong)
    report.n_different += int(wrong.sum())
    report.largest_difference = max(report.largest_difference, largest)
    if wrong.any():
        gap = f", scores by up to {largest:.2g}" if largest > tolerance else ""
        report.reasons.append(
            f"{wrong.sum()} of {len(wrong)} answers differ on {where}{gap}."
        )


def _method_of(name):
    """The method of a model that a result of a graph stands for."""
    known = {"label": "predict", "variable": "predict", "scores": "decision_function"}
    return known.get(name, "predict_proba")


def expected(model, X, names):
    """What a model gives for each result of a graph."""
    found = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for name in names:
            answer = getattr(model, _method_of(name))(X)
            if isinstance(answer, list) and name.startswith("probabilities_"):
                answer = answer[int(name.rpartition("_")[2])]
            found[name] = dense(answer)
    return found


def dense(answer):
    """An array of an answer that may be sparse or a frame."""
    return np.asarray(answer.toarray() if issparse(answer) else answer)


def differing(wanted, found, tolerance):
    """A mask of the rows that differ, and the largest difference of a score."""
    wrong, largest = None, 0.0
    for name, own in wanted.items():
        got = np.asarray(found[name])
        if got.size == own.size and min(got.ndim, own.ndim) < 2:
            got = got.reshape(own.shape)
        if got.shape != own.shape:
            return np.ones(len(own), dtype=bool), np.inf
        if own.dtype.kind in "fc" and name != "label":
            with np.errstate(all="ignore"):
                own = own.astype(got.dtype if got.dtype.kind == "f" else np.float64)
                size = np.nan_to_num(np.abs(own)).reshape(len(own), -1)
                size = size.max(axis=1, initial=1.0).reshape(-1, *(1,) * (own.ndim - 1))
                gap = np.abs(got - own.astype(np.float64)) / size
            same = (got == own) | (np.isnan(got) & np.isnan(own))
            gap = np.where(same, 0.0, np.where(np.isnan(gap), np.inf, gap))
            largest = max(largest, float(gap.max(initial=0.0)))
            differs = gap > tolerance
        else:
            differs = got != own
        differs = np.asarray(differs).reshape(len(own), -1).any(axis=1)
        wrong = differs if wrong is None else wrong | differs
    return wrong, largest


def _is_tie(model, row, found, number, tolerance):
    """Whether the model answers as the graph does for a row that differs by rounding."""
    rng = np.random.default_rng(0)
    step = 1e-6 if row.dtype == np.float32 or tolerance == ROUNDED else 1e-12
    moved = row * (1 + step * rng.uniform(-1, 1, (_N_MOVED, len(row))))
    moved = moved + 1e-3 * step * rng.uniform(-1, 1, moved.shape)
    try:
        wanted = expected(model, moved.astype(row.dtype), found)
    except ValueError:
        return False
    own = {
        name: np.repeat(part[[number]], _N_MOVED, axis=0) for name, part in found.items()
    }
    return not differing(wanted, own, tolerance)[0].all()
