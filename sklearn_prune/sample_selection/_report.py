"""What a selection kept and dropped, by class, group and feature."""

import warnings
from numbers import Integral, Number

import numpy as np
from scipy.sparse import issparse
from scipy.stats import hypergeom
from sklearn.metrics import roc_auc_score
from sklearn.utils.validation import check_is_fitted

from sklearn_prune._lazy import import_or_raise
from sklearn_prune._meta import find_subset, last_step
from sklearn_prune._seeds import derive_seed, draw_seed
from sklearn_prune._sklearn_compat import count_rows, take_rows
from sklearn_prune._space import column_numbers
from sklearn_prune._validation import (
    check_same_length,
    check_target,
    numeric_values,
    quantile_codes,
    resolve_task,
)

MOST_VALUES = 20  # categories that have a line of their own
MOST_LISTED = 20  # rows among those dropped first
FEWEST_LOST = 5  # rows whose loss may be named
FAR = 2.0  # times its share
SIGNIFICANT = 0.001
BALANCED = (
    'stratify="balanced" kept equal numbers of rows of each class, as far as it has them. '
    "Probabilities of a model that is fitted on them refer to these numbers, not to the "
    "shares of the classes in the data. The control is the model on all rows with a moved "
    "threshold: TunedThresholdClassifierCV(model)."
)


def selection_report(fitted, X, y, groups=None, *, probe=None, n_bins=4, random_state=0):
    """Report which rows a selection kept and dropped, and warn of unequal losses.

    Parameters
    ----------
    fitted : SampleSubset meta-estimator, Pipeline or search
        Fitted on exactly these rows. A Pipeline, also that of imbalanced-learn, holds one
        such meta-estimator, with no other sampler before it. Of a search the best
        estimator counts.
    X : array-like, sparse matrix, frame or list of shape (n_samples, ...)
        The rows it was fitted on. A table has lines for its columns.
    y : array-like of shape (n_samples,) or None
        Their targets.
    groups : array-like of shape (n_samples,), default=None
        Groups to compare, such as sex, region or site.
    probe : float in (0, 1) or None, default=None
        Share of the labels to change in a copy of y, to see whether the selector finds
        them. A class becomes another one at random; continuous targets are exchanged.
    n_bins : int, default=4
        Number of quantile bins of a column of numbers or times, or of a continuous target.
        A column with no more values than that has a line for each.
    random_state : int, RandomState instance or None, default=0
        Seeds the probe, and its ranking where `fitted` has no int seed.

    Returns
    -------
    pandas.DataFrame
        One line for each `kind` ("all", "class", "target", "group", "feature"),
        `feature` (the column) and `value` (a label, category or interval), with the
        columns `n`, `kept`, `dropped`, `kept_share`, `expected_dropped` (if all lost
        equal shares), `ratio` (of `dropped` to that), `p_value` (of as many dropped or
        more, were the dropped rows drawn at random: hypergeometric) and `far_more`.

        `far_more` is True where the rows of that value lose far more than their share:
        either their dropped share is more than twice that of all rows or their kept
        share is less than half of it, at least 5 rows are dropped, and `p_value` times
        the number of lines of that kind and feature is below 0.001. A feature has lines
        for its 20 most frequent categories, one for the others, one for missing values.

        ``frame.attrs["dropped_first"]`` is a list of dicts ``position, label, group,
        score``, the worst-ranked rows that were dropped, worst first, at most 20.
        ``frame.attrs["notes"]`` is a list of remarks, such as that probabilities refer to
        balanced classes after ``stratify="balanced"``.
        ``frame.attrs["probe"]``, with `probe`, is a dict: ``share``, ``n_changed``;
        ``precision`` and ``recall`` of the changed rows among as many rows ranked last,
        equal to each other; ``auc`` of the whole ranking; ``dropped_precision``,
        ``dropped_recall`` among the rows that are dropped then. A ranking at random
        has ``precision`` near ``share`` and ``auc`` near 0.5.

    Raises
    ------
    ValueError
        If X has another number of rows than the model was fitted on, `n_bins` is no
        positive int, or `probe` cannot change y.
    ImportError
        If pandas is not installed.

    Warns
    -----
    UserWarning
        If a group loses far more than its share, or a class, unless classes were balanced
        on purpose.

    See Also
    --------
    SampleSubsetClassifier : Fits a classifier on the rows that are kept.

    Notes
    -----
    O(n log n) for each column. The probe ranks the rows once more, by the same selector,
    seed, budget and model, but without the weights and, unless ``by_group=True``, the
    groups of `fit`. Its random errors are easier to find than those that people make.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn_prune import SampleSubsetClassifier
    >>> from sklearn_prune.sample_selection import L2PenaltySelector, selection_report
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> model = SampleSubsetClassifier(KNeighborsClassifier(), L2PenaltySelector())
    >>> report = selection_report(model.fit(X, y), X, y, probe=0.1)
    >>> report[report["kind"] == "class"][["value", "n", "kept"]].values.tolist()
    [[0, 50, 25], [1, 50, 25], [2, 50, 25]]
    >>> report.attrs["probe"]["n_changed"]
    15
    """
    pandas = import_or_raise("pandas", "selection_report", extra="compare")
    if not isinstance(n_bins, Integral) or n_bins < 1:
        raise ValueError(f"n_bins must be an int of at least 1. Got {n_bins}. Write 4.")
    subset, before = find_subset(fitted, "selection_report")
    mask = _mask_of(subset, X)
    check_same_length(X, y=y, groups=groups)
    target = check_target(y)
    if target is not None and target.ndim > 1:
        target = None
    task = resolve_task(subset.task_ or "auto", target)
    dropped = ~mask
    lines = [_line("all", None, "all", np.ones(len(mask), dtype=bool), dropped)]
    for kind, feature, column in _columns(X, target, groups, task):
        values = pandas.Series(column).infer_objects()
        binned = kind in ("target", "feature")
        lines += [
            _line(kind, feature, value, rows, dropped)
            for value, rows in _values(pandas, values, n_bins if binned else None)
        ]
    frame = pandas.DataFrame(lines)
    n_tests = frame.groupby(["kind", "feature"], dropna=False)["n"].transform("size")
    frame["far_more"] = _far_more(frame, n_tests)
    frame.attrs["dropped_first"] = _dropped_first(subset, mask, target, groups)
    balanced = subset.stratify == "balanced" and dropped.any() and subset.keep != "auto"
    frame.attrs["notes"] = [BALANCED] if balanced else []
    if probe is not None:
        frame.attrs["probe"] = _probe(
            before, subset, X, target, groups, task, probe, draw_seed(random_state)
        )
    _warn_of_losers(frame, ["group"] if balanced else ["class", "group"])
    return frame


def _mask_of(subset, X):
    """The mask of kept rows, if these are as many as X has."""
    check_is_fitted(subset, "sample_indices_")
    mask = subset.sample_mask_
    if len(mask) != count_rows(X):
        raise ValueError(
            "X must hold the rows that the model was fitted on. Got "
            f"{count_rows(X)} rows for a model fitted on {len(mask)}. Pass the X and y "
            "of its fit."
        )
    return mask


def _columns(X, target, groups, task):
    """Yield kind, name and values of all that rows may differ by."""
    if target is not None:
        yield "class" if task == "classification" else "target", None, target
    if groups is not None:
        yield "group", None, np.asarray(groups)
    if not hasattr(X, "shape"):
        X = numeric_values(X)
    if X is None or len(X.shape) != 2:
        return
    names = getattr(X, "columns", [f"x{i}" for i in range(X.shape[1])])
    if issparse(X):
        X = X.tocsc()
    elif not hasattr(X, "columns"):
        X = np.asarray(X)
    for number, name in enumerate(names):
        column = X[:, [number]].toarray() if issparse(X) else take_rows(X, number, axis=1)
        yield "feature", name, np.ravel(np.asarray(column))


def _values(pandas, values, n_bins):
    """Yield each value, interval or "missing", with a mask of the rows that have it."""
    missing = values.isna().to_numpy()
    numbers = None if n_bins is None else column_numbers(values)
    if numbers is not None and values.nunique() > n_bins:
        missing = ~np.isfinite(numbers)
        codes = np.full(len(numbers), -1)
        codes[~missing] = quantile_codes(numbers[~missing], n_bins)
        labels = []
        for code in range(codes.max() + 1):
            rows = np.flatnonzero(codes == code)
            ends = [rows[numbers[rows].argmin()], rows[numbers[rows].argmax()]]
            first, last = (_end_of_bin(values.iloc[end]) for end in ends)
            labels.append(f"{first} to {last}")
    else:
        codes, labels = pandas.factorize(values, sort=_sortable(values[~missing]))
        labels = labels.tolist()
    n_own = len(labels)
    if n_bins is not None and n_own > MOST_VALUES:
        n_own = MOST_VALUES
        by_size = np.argsort(-np.bincount(codes[codes >= 0]), kind="stable")
        codes = np.where(codes < 0, codes, np.argsort(by_size)[codes])
        labels = [labels[code] for code in by_size]
    for code in range(n_own):
        yield labels[code], codes == code
    if (codes >= n_own).any():
        yield "others", codes >= n_own
    if missing.any():
        yield "missing", missing


def _end_of_bin(value):
    """A number in short, a time as it prints."""
    return f"{float(value):g}" if isinstance(value, Number) else value


def _sortable(values):
    """Whether the values can be put in order."""
    try:
        sorted(values.unique().tolist())
    except TypeError:
        return False
    return True


def _line(kind, feature, value, rows, dropped):
    n, lost = int(np.count_nonzero(rows)), int(np.count_nonzero(dropped & rows))
    n_all, lost_all = len(dropped), int(np.count_nonzero(dropped))
    expected = n * lost_all / n_all
    return {
        "kind": kind,
        "feature": feature,
        "value": value,
        "n": n,
        "kept": n - lost,
        "dropped": lost,
        "kept_share": (n - lost) / n,
        "expected_dropped": expected,
        "ratio": lost / expected if expected else 1.0,
        "p_value": float(hypergeom.sf(lost - 1, n_all, lost_all, n)),
    }


def _far_more(frame, n_tests):
    """Where the rows of a line lose far more than their share, and not by chance."""
    kept_share = frame["kept_share"].iloc[0]
    far = (1 - frame["kept_share"] > FAR * (1 - kept_share)) | (
        frame["kept_share"] < kept_share / FAR
    )
    sure = frame["p_value"] * n_tests < SIGNIFICANT
    return far & sure & (frame["dropped"] >= FEWEST_LOST)


def _warn_of_losers(frame, kinds):
    losers = frame[frame["far_more"] & frame["kind"].isin(kinds)]
    if not len(losers):
        return
    named = [
        f"{line.kind} {line.value!r} (dropped {line.dropped} of {line.n})"
        for line in losers.sort_values("p_value", kind="stable").head(5).itertuples()
    ]
    more = f" and {len(losers) - len(named)} more" if len(losers) > len(named) else ""
    everyone = frame.iloc[0]
    warnings.warn(
        f"The selection dropped {everyone['dropped']} of {everyone['n']} rows, but far "
        f"more than that share of {', '.join(named)}{more}. Look at the dropped rows, or "
        "raise keep.",
        UserWarning,
        stacklevel=3,
    )


def _dropped_first(subset, mask, target, groups):
    """The worst-ranked dropped rows as dicts, which attrs can compare and store."""
    if subset.selector_ is None:
        return []
    order, scores = last_step(subset.selector_).order_[::-1], subset.sample_scores_
    columns = {"position": np.arange(len(mask)), "label": target, "group": groups}
    columns["score"] = scores
    given = {k: np.asarray(v) for k, v in columns.items() if v is not None}
    return [
        {name: values[row : row + 1].tolist()[0] for name, values in given.items()}
        for row in order[~mask[order]][:MOST_LISTED]
    ]


def _probe(before, subset, X, target, groups, task, share, seed):
    """Change a share of the targets and see how late the selector ranks them."""
    if not 0 < share < 1:
        raise ValueError(
            f"probe must be a share in (0, 1) or None. Got {share}. Write probe=0.05."
        )
    if subset.selector_ is None:
        raise ValueError(
            "probe needs a selection that ranks rows. Got keep=1.0, which ranks nothing. "
            "Write keep=0.9."
        )
    if target is None:
        raise ValueError(
            "probe changes one column of targets. Got none. Pass y of shape (n_samples,)."
        )
    changed, y = change_targets(target, share, task, derive_seed(seed, "probe"))
    for step in before:
        X = step.transform(X)
    params = {"groups": groups} if subset.by_group and groups is not None else {}
    if isinstance(subset.random_state, Integral):
        seed = subset.random_state
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # it would be of the changed labels
        choice = subset._choose(X, y, params, draw_seed(seed))
    order = last_step(choice.selector).order_
    n, n_changed = len(order), int(np.count_nonzero(changed))
    found = float(np.mean(changed[order[n - n_changed :]]))
    dropped = np.ones(n, dtype=bool)
    dropped[choice.indices] = False
    n_found = int(np.count_nonzero(changed & dropped))
    return {
        "share": share,
        "n_changed": n_changed,
        "precision": found,
        "recall": found,
        "auc": float(roc_auc_score(changed[order], np.arange(n))),
        "dropped_precision": n_found / max(1, n - len(choice.indices)),
        "dropped_recall": n_found / n_changed,
    }


def change_targets(y, share, task, seed):
    """Return which targets were changed, as a mask, and a copy with the change."""
    n, random = len(y), np.random.RandomState(seed)
    n_changed = min(n - 1, max(1 if task == "classification" else 2, round(share * n)))
    labels, codes = np.unique(y, return_inverse=True)
    if len(labels) < 2 or n_changed < 1:
        raise ValueError(
            f"probe needs two different targets. Got {len(labels)}. Write probe=None."
        )
    rows = random.permutation(n)[:n_changed]
    changed = np.zeros(n, dtype=bool)
    changed[rows] = True
    y = y.copy()
    if task == "classification":
        shift = random.randint(1, len(labels), size=n_changed)
        y[rows] = labels[(codes[rows] + shift) % len(labels)]
    else:
        y[rows] = y[np.roll(rows, 1)]
    return changed, y
