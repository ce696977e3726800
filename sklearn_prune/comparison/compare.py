"""Compare pruned models with an unpruned one on the same folds and with the same seeds."""

import re
from itertools import count, takewhile
from numbers import Integral

import numpy as np
from sklearn.base import clone

from sklearn_prune._meta import in_one_line
from sklearn_prune._seeds import draw_seed
from sklearn_prune._sklearn_compat import BaseSearchCV, count_rows
from sklearn_prune._validation import check_groups
from sklearn_prune.comparison.provenance import digest
from sklearn_prune.comparison.result import PruningComparison
from sklearn_prune.comparison.run import (
    CONTROL_NAMES,
    COST_NAMES,
    Plan,
    check_alpha,
    check_baseline,
    check_classes,
    check_data,
    check_estimators,
    check_folder,
    check_margin,
    check_margin_names,
    check_n_jobs,
    check_names,
    check_params,
    choose_splitter,
    default_margin,
    inputs_of,
    keeps_together,
    make_scorers,
    make_splits,
    requested_keeps,
    run_plan,
)
from sklearn_prune.comparison.verdicts import looks_forward, share_of_test
from sklearn_prune.sample_selection import SampleSubset


def compare_pruning(
    estimators,
    X,
    y,
    *,
    baseline=None,
    cv=None,
    scoring=None,
    margin=None,
    alpha=0.05,
    costs=COST_NAMES,
    controls=("random",),
    chains=None,
    groups=None,
    params=None,
    callbacks=None,
    n_jobs=None,
    random_state=0,
    store=None,
):
    """Cross-validate pruned models and an unpruned one, and test which are not worse.

    All variants are fitted on the same folds with the same seeds; a `random_state` of None
    gets a seed for each fold. Differences are tested by the corrected resampled t-test,
    whose variance allows for the rows that folds share [1]_. Variants that differ only in
    `keep` are tested from the largest `keep` on, until one fails [2]_. So the smallest that
    is "not worse" is worse by more than the margin with nominal probability `alpha`. On
    simulated data this probability is mostly lower. It is higher for nearest neighbours,
    ten repeats of ten folds, and small losses of R2 over several chains.

    Parameters
    ----------
    estimators : mapping of str to estimator
        Unfitted classifiers or regressors: plain ones, Pipelines, Pruned*, SampleSubset*,
        or these nested. They are cloned.
    X : array-like, sparse matrix, frame or list of shape (n_samples, ...)
        Rows, in any container that all estimators read.
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.
    baseline : str or None, default=None
        Name of the baseline; None takes the only variant that prunes nothing.
    cv : int, splitter, iterable or None, default=None
        None is RepeatedStratifiedKFold(5, 4) for classifiers, RepeatedKFold(5, 4) for
        regressors, GroupKFold(5) with groups. A splitter without a seed gets one.
    scoring : str, callable, list, dict or None, default=None
        As in `cross_validate`; the first scorer is primary. None is the `score` method.
    margin : float, str, dict or None, default=None
        The largest loss that is acceptable, in the scorer's units or as a share of the
        baseline's mean ("1%"); a dict has one for each scorer. None is 0.01 for scorers
        that are bounded by 1.
    alpha : float, default=0.05
        The nominal risk of a wrong "not worse", divided equally among the chains.
    costs : str or tuple of str
        What to measure, all by default: "nbytes" (length of the pickle of the predictor),
        "n_params", "n_nonzero", "n_samples" (rows trained on), "fit_time",
        "predict_latency" and "predict_latency_1000" (seconds for 1 row and for 1,000,
        with the models of the first fold), "seed_churn" (share of the predictions that
        change when the first fold is fitted again with other seeds).
    controls : tuple of {"random", "small"}, default=("random",)
        Controls of the size that a pruned variant kept on the same fold. "random" keeps
        random rows or parameters; "small" trains a model of that size from scratch, if
        its family can make one.
    chains : dict of str to list of str, or None, default=None
        Variants to test in sequence, the least pruned first; fix them before seeing any
        scores. None makes chains of variants that differ in one `keep` only.
    groups : array-like of shape (n_samples,) or None, default=None
        Groups for the splitter, and for selectors, searches and fits that take them. If the
        splits keep groups together, the share of test rows is counted in groups.
    params : dict or None, default=None
        Metadata such as `sample_weight`. They are passed to every fit, or with metadata
        routing enabled, to those that request them.
    callbacks : callback, list of callbacks or None, default=None
        Callbacks of scikit-learn, such as ``ProgressBar()``.
    n_jobs : int or None, default=None
        Number of parallel fits. It does not change the results, because libraries use one
        thread inside a fold.
    random_state : int, RandomState instance or None, default=0
        Seeds folds and fits. None draws a seed, which the manifest records.
    store : path-like or None, default=None
        A folder for finished fits; a call with the same input continues from them. It may
        add estimators, and several calls may run at once. Fits that failed, or lack a
        measure, are repeated. Another input raises an error.

    Returns
    -------
    PruningComparison
        Scores, verdicts, costs, reports, and the manifest to verify them. For classifiers
        also the log loss and the churn, without verdicts. For tree models also the number
        of rules and, where shap is installed, how far explanations agree.

    Raises
    ------
    ValueError
        If an argument is not valid, classifiers and regressors are mixed, an estimator
        lacks the method that a scorer needs, or the store has another input. If the
        baseline fails, the error is a RuntimeError too. Other estimators that fail are
        reported; so are scores that are not finite where the baseline's is.
    TypeError
        If a variant is not an estimator.

    See Also
    --------
    smallest_not_worse : The same rule, for `refit` of GridSearchCV.

    Notes
    -----
    Cost: one fit for each variant, fold and control; equal controls are fitted once.

    References
    ----------
    .. [1] Nadeau, Bengio (2003). Inference for the generalization error. Machine
       Learning 52.
    .. [2] Maurer, Hothorn, Lehmacher (1995). Multiple comparisons in drug clinical trials
       and preclinical assays: a-priori ordered hypotheses. In Biometrie in der
       chemisch-pharmazeutischen Industrie 6.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from sklearn_prune import PrunedClassifier, compare_pruning
    >>> X, y = load_iris(return_X_y=True)
    >>> knn = KNeighborsClassifier()
    >>> variants = {"all rows": knn, "a fifth": PrunedClassifier(knn, keep=0.2)}
    >>> comparison = compare_pruning(variants, X, y, margin=0.1)
    >>> comparison.verdict("a fifth")
    'not worse'
    """
    variants, kind = check_estimators(estimators)
    variants = {name: clone(estimator) for name, estimator in variants.items()}
    baseline = check_baseline(variants, baseline)
    check_margin(margin)
    alpha = check_alpha(alpha)
    costs = check_names(costs, COST_NAMES, "costs")
    controls = check_names(controls, CONTROL_NAMES, "controls")
    params, groups = check_params(params, groups)
    _check_seed(random_state)
    check_n_jobs(n_jobs)
    check_folder(store)
    scorers = make_scorers(scoring, variants, kind)
    if not (isinstance(margin, dict) and callable(scoring)):  # names are not known yet
        margins = margin if isinstance(margin, dict) else dict.fromkeys(scorers, margin)
        check_margin_names(margins, scorers)
        for name in scorers:
            if margins.get(name) is None:
                default_margin(name, scorers, given=margin)  # raises if there is none
    X, y = check_data(X, y, kind)
    groups = None if groups is None else np.asarray(groups)
    if groups is not None:
        check_groups(groups, count_rows(X))
    seed = draw_seed(random_state)
    splitter = choose_splitter(cv, y, groups, kind, seed)
    splits = make_splits(splitter, X, y, groups, seed, cv)
    if kind == "classifier" and np.ndim(y) == 1:
        check_classes(y, splits, scorers)
    pairs = [(split.train, split.test) for split in splits]
    groups_kept = groups is not None and keeps_together(pairs, groups)
    n_train = np.mean([len(train) for train, _ in pairs])
    found_chains, keeps = make_chains(variants, baseline, chains, n_train)
    plan = Plan(
        estimators=variants,
        baseline=baseline,
        kind=kind,
        splitter=splitter,
        splits=splits,
        scorers=scorers,
        margin=margin,
        alpha=alpha,
        costs=costs,
        controls=controls,
        chains=found_chains,
        keeps=keeps,
        seed=seed,
        test_share=share_of_test(pairs, groups if groups_kept else None),
        splits_groups=groups is not None and not groups_kept,
        looks_forward=looks_forward(pairs),
    )
    inputs = inputs_of(plan, X, y, groups, params)
    fits, seconds = run_plan(
        plan, inputs, X, y, groups, params, n_jobs=n_jobs, store=store, callbacks=callbacks
    )
    names = getattr(X, "columns", None)
    return PruningComparison(
        plan,
        inputs,
        fits,
        seconds,
        feature_names=None if names is None else np.array([str(name) for name in names]),
        classes=np.unique(y) if kind == "classifier" and np.ndim(y) == 1 else None,
        targets=np.asarray(y),
        groups=groups,
    )


def _check_seed(random_state):
    is_integer = isinstance(random_state, Integral) and not isinstance(random_state, bool)
    if is_integer and random_state >= 0:
        return
    if random_state is not None and not isinstance(random_state, np.random.RandomState):
        raise ValueError(
            "random_state must be an integer >= 0, a RandomState or None. Got "
            f"{random_state!r}. Write random_state=0."
        )


def keep_parameter(estimator, name=None):
    """The name of the only parameter named `keep`, or `name` if it is a parameter."""
    params = estimator.get_params()
    found = [param for param in sorted(params) if param.rpartition("__")[2] == "keep"]
    if name is not None:
        if name in params:
            return name
        raise ValueError(
            f"param_name must be a parameter of the estimator. Got {name!r}. "
            f"Write one of {found or sorted(params)}."
        )
    if len(found) == 1:
        return found[0]
    if not found:
        raise ValueError(
            "The estimator must have a parameter named keep. Got "
            f"{type(estimator).__name__} without one. Write "
            "SampleSubsetClassifier(estimator) or PrunedClassifier(estimator)."
        )
    raise ValueError(
        "The estimator must have one parameter named keep; param_name selects one of many. "
        f"Got {found}. Write param_name={found[0]!r}."
    )


def compare_over_keep(
    estimator, X, y, *, keep, param_name=None, random_control=True, **options
):
    """Compare one estimator over values of `keep`; 1.0 is the baseline."""
    name = keep_parameter(estimator, param_name)
    values = sorted({1.0, *keep}, key=lambda k: (isinstance(k, int), k), reverse=True)
    values.sort(key=lambda k: not (isinstance(k, float) and k == 1.0))
    estimators = {
        f"keep={value}": clone(estimator).set_params(**{name: value}) for value in values
    }
    comparison = compare_pruning(
        estimators,
        X,
        y,
        baseline="keep=1.0",
        controls=("random",) if random_control else (),
        **options,
    )
    pruned = [variant for variant in estimators if variant != comparison.baseline]
    if pruned and all(variant in comparison.failures for variant in pruned):
        raise ValueError(
            f"keep must have a value that can be fitted and scored. Got, for {pruned[0]}: "
            f"{comparison.failures[pruned[0]]} Write other values of keep."
        )
    return comparison


def make_chains(variants, baseline, given, n_train):
    """Chains of variants to test in sequence, and the `keep` of each variant.

    Chains map a name to variants, the least pruned first; each variant but the baseline is
    in one. `given` are the chains of the user; a variant in none of them is a chain of its
    own. None makes chains of variants that differ in one `keep` only. `n_train`, the mean
    number of training rows, compares fractions with numbers of rows. The `keep` of a
    variant outside these chains that has none or several is None.
    """
    rest = [name for name in variants if name != baseline]
    requested = {name: _given_keeps(estimator) for name, estimator in variants.items()}
    keeps = {
        name: next(iter(found.values())) if len(found) == 1 else None
        for name, found in requested.items()
    }
    if given is not None:
        return _given_chains(given, rest, baseline, variants), keeps
    groups = {}
    for name in rest:
        for parameter, keep in sorted(requested[name].items()):
            if isinstance(keep, str):
                continue
            others = clone(variants[name]).set_params(**{parameter: "any"})
            groups.setdefault((parameter, digest(others)), []).append(name)
    chains, taken = [], set()
    for (parameter, _), members in sorted(groups.items(), key=lambda item: -len(item[1])):
        members = [name for name in members if name not in taken]
        if len(members) < 2:
            continue
        taken |= set(members)
        keeps |= {name: requested[name][parameter] for name in members}
        chains.append(_ordered(members, parameter, variants, keeps, n_train))
    chains += [(name,) for name in rest if name not in taken]
    chains.sort(key=lambda chain: min(rest.index(name) for name in chain))
    names = _chain_names(chains)
    return dict(zip(names, chains, strict=True)), keeps


def _given_keeps(estimator):
    """Values of `keep` by parameter name, without those that a search chooses."""
    params = estimator.get_params(deep=True) | {"": estimator}

    def is_searched(name):
        parts = name.split("__")
        owners = ("__".join(parts[:length]) for length in range(len(parts)))
        return any(isinstance(params.get(owner), BaseSearchCV) for owner in owners)

    keeps = requested_keeps(estimator)
    return {name: keep for name, keep in keeps.items() if not is_searched(name)}


def _given_chains(given, rest, baseline, variants):
    chains, owner = {}, {}
    if not hasattr(given, "items"):
        raise ValueError(
            "chains must map names to lists of estimators, the least pruned first. Got "
            f'{in_one_line(given)[:200]}. Write {{"forest": ["keep 0.5", "keep 0.1"]}}.'
        )
    for chain, members in given.items():
        members = [members] if isinstance(members, str) else list(members)
        for name in members:
            if name not in variants:
                raise ValueError(
                    f"chains must hold names of estimators. Got {name!r} in {chain!r}. "
                    f"Write some of {', '.join(map(repr, rest))}."
                )
            if name in owner:
                raise ValueError(
                    f"an estimator can be in one chain. Got {name!r} in {owner[name]!r} "
                    f"and {chain!r}. Remove it from one."
                )
            owner[name] = chain
        members = tuple(name for name in members if name != baseline)
        if members:
            chains[str(chain)] = members
    for name in rest:
        if name not in owner:
            chains[_unused(name, chains)] = (name,)
    return chains


def _ordered(members, parameter, variants, keeps, n_train):
    """Members from the largest keep to the smallest."""
    numbers = {name: keeps[name] for name in members}
    counts = [name for name in members if isinstance(numbers[name], Integral)]
    if counts and len(counts) < len(members):
        path = parameter.rpartition("__")[0]
        owner = variants[members[0]]
        owner = owner.get_params(deep=True)[path] if path else owner
        if not isinstance(owner, SampleSubset):
            raise ValueError(
                "variants of one chain must all keep a fraction or all keep a number of "
                f"units. Got keep={numbers[counts[0]]!r} among fractions. Write chains= "
                "to set their order."
            )
        numbers |= {name: numbers[name] / n_train for name in counts}
    return tuple(sorted(members, key=lambda name: -numbers[name]))


def _chain_names(chains):
    """The common start of the names of the members, or the name of the first member."""
    names = []
    for chain in chains:
        common = chain[0]
        if len(chain) > 1:
            letters = zip(*chain, strict=False)
            equal = takewhile(lambda column: len(set(column)) == 1, letters)
            common = "".join(column[0] for column in equal)
            common = re.sub(r"[\s,:;=_(-]*(keep)?[\s,:;=_(-]*[\d.]*$", "", common)
        if not common or common in names:
            common = chain[0]
        names.append(_unused(common, names))
    return names


def _unused(name, names):
    """The first of "name", "name (2)", "name (3)", ... that is not among the names."""
    numbered = (f"{name} ({number})" for number in count(2))
    return name if name not in names else next(new for new in numbered if new not in names)
