"""Running a comparison: all fits, in any backend, from a store where there is one."""

from dataclasses import dataclass
from time import perf_counter

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import has_fit_parameter

from sklearn_prune._folds import split_rows
from sklearn_prune._meta import last_step, pipeline_prefix, routing_enabled, with_groups
from sklearn_prune._sklearn_compat import count_rows, fit_context, take_rows
from sklearn_prune._validation import (
    check_same_length,
    check_weights,
    class_codes,
    refuse_queries,
)
from sklearn_prune.comparison.provenance import describe, describe_data, digest, environment
from sklearn_prune.comparison.run.controls import random_control
from sklearn_prune.comparison.run.costs import interleaved_latency, prunes_nothing
from sklearn_prune.comparison.run.fold import (
    FoldJob,
    Variant,
    has_finite_scores,
    run_task,
    with_usable_scores,
)
from sklearn_prune.comparison.run.isolation import one_thread
from sklearn_prune.comparison.run.store import Store
from sklearn_prune.comparison.verdicts import churn
from sklearn_prune.sample_selection import SampleSubset
from sklearn_prune.weight_pruning import PrunedModel

_LATENCIES = {"predict_latency": 1, "predict_latency_1000": 1000}
_ROWS_EXPLAINED = 50
_SHARE_OF_FITS = 0.01  # of the time of all fits, for each latency


class BaselineError(ValueError, RuntimeError):
    """The model that everything is compared with cannot be fitted or scored."""


@dataclass(frozen=True)
class Plan:
    """A comparison without its data."""

    estimators: dict  # the variants by name, the baseline among them
    baseline: str
    kind: str | None  # "classifier" or "regressor"
    splitter: object
    splits: list  # of Split
    scorers: dict
    margin: object  # as asked for
    alpha: float
    costs: tuple
    controls: tuple  # to fit beside each pruned variant
    chains: dict  # names of variants, the mildest first
    keeps: dict  # as asked for, by variant
    seed: int
    test_share: float  # of the rows (or groups) that is tested
    splits_groups: bool  # rows of one group are on both sides of a split
    looks_forward: bool  # each split tests on later rows: differences only, no tests


def inputs_of(plan, X, y, groups, params):
    """The part of a manifest that is known before anything is fitted."""
    splits = [
        {"train": digest(split.train), "test": digest(split.test)} for split in plan.splits
    ]
    return {
        "environment": environment([describe(one) for one in plan.estimators.values()]),
        "data": {
            "X": describe_data(X),
            "y": describe_data(y),
            "groups": None if groups is None else describe_data(groups),
            "params": {
                name: describe_data(value) for name, value in (params or {}).items()
            },
        },
        "design": {
            "seed": plan.seed,
            "cv": describe(plan.splitter),
            "fold_seeds": [split.seed for split in plan.splits],
            "splits": splits,
            "scoring": {name: describe(scorer) for name, scorer in plan.scorers.items()},
            "controls": list(plan.controls),
            "baseline": plan.baseline,
        },
    }


def run_plan(
    plan, inputs, X, y, groups, params, *, n_jobs=None, store=None, callbacks=None
):
    """All fits of a plan on these rows, by variant, and where the time went."""
    run = ComparisonRun(plan, inputs, groups, params, n_jobs, store)
    if callbacks is not None:
        run.set_callbacks(
            *(callbacks if isinstance(callbacks, list | tuple) else [callbacks])
        )
    run.fit(X, y)
    return run.fits_, run.seconds_


class ComparisonRun(CallbackSupportMixin, BaseEstimator):
    """All fits of a comparison as one task, which callbacks can follow.

    Sets `fits_`, for each variant one FoldResult a split, and `seconds_`: "fit" and "score"
    (summed over the workers), "bookkeeping" (workers and parent), "latency" (timing
    predictions) and "elapsed".
    """

    _parameter_constraints = {}

    def __init__(self, plan, inputs, groups=None, params=None, n_jobs=None, store=None):
        self.plan = plan
        self.inputs = inputs
        self.groups = groups
        self.params = params
        self.n_jobs = n_jobs
        self.store = store

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y):
        """Fit every variant on every fold, and its controls.

        Raises BaselineError if the baseline cannot be fitted or scored.
        """
        started = perf_counter()
        plan = self.plan
        fit_params, score_params = route(
            self.params, self.groups, X, plan.estimators, plan.splitter, plan.scorers
        )
        labels = np.asarray(y)
        classes = plan.kind == "classifier" and labels.ndim == 1
        job = FoldJob(
            X=X,
            y=y,
            kind=plan.kind,
            codes=class_codes(labels)[0] if classes else None,
            scorers=plan.scorers,
            score_params=score_params,
            fit_params=fit_params,
            controls=plan.controls,
            costs=plan.costs,
            baseline=plan.baseline,
            explained=_some_rows(X, plan.seed),
            explained_splits=frozenset(
                number for number, split in enumerate(plan.splits) if split.repeat == 0
            ),
        )
        described = {name: describe(model) for name, model in plan.estimators.items()}
        store = None
        if self.store is not None:
            store = Store(self.store, self.inputs, described)
        done = self._stored(store, described, classes)
        tasks = list(self._tasks(done))
        contexts = self._contexts(tasks, X, y)
        before = perf_counter() - started
        spent, between = self._run(job, tasks, contexts, done, store, described)

        started_again = perf_counter()
        self.fits_ = {
            name: [done[name, number] for number in range(len(plan.splits))]
            for name in plan.estimators
        }
        self._fail_other_scores()
        self._note_churn()
        after = perf_counter() - started_again
        seconds = self._time_predictions(X, sum(spent.values()), store, described)
        self.seconds_ = {
            **spent,
            "bookkeeping": before + between + after,
            "latency": seconds,
            "elapsed": perf_counter() - started,
        }
        if contexts:
            self._root.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def _stored(self, store, described, classes):
        """Fits that the store has; the first split again where latencies are missing.

        A fit without a log loss, with `classes`, or without importances, as older versions
        stored it, is missing.
        """
        if not store:
            return {}
        done = {}
        measured = set(self.plan.costs) - {*_LATENCIES, "fit_time", "seed_churn"}
        for name in self.plan.estimators:
            for number in range(len(self.plan.splits)):
                fit = store.load(_key(described[name], number))
                if fit is None or not measured <= set(fit.costs):
                    continue
                if fit.importances is None and self.plan.splits[number].repeat == 0:
                    continue
                if fit.log_loss is not None or not classes:
                    done[name, number] = fit
        wanted = set(self.plan.costs) & set(_LATENCIES)
        churns = "seed_churn" in self.plan.costs

        def lacks_timing_or_churn(fit):
            if fit is None:
                return bool(wanted)
            return not wanted <= set(fit.costs) or (churns and fit.seed_churn is None)

        first = [done.get((name, 0)) for name in self.plan.estimators]
        if any(map(lacks_timing_or_churn, first)):
            done = {place: fit for place, fit in done.items() if place[1] != 0}
        return done

    def _tasks(self, done):
        """Names and split of each task; variants with the same random control together."""
        groups = {}
        for name, estimator in self._in_order():
            shared = estimator
            if "random" in self.plan.controls and not prunes_nothing(estimator):
                shared = random_control(estimator)
            groups.setdefault(digest(shared), []).append(name)
        for number in range(len(self.plan.splits)):
            for group in groups.values():
                names = [name for name in group if (name, number) not in done]
                if names:
                    yield names, number

    def _in_order(self):
        """Variants, the baseline first: if it fails, nothing else is worth fitting."""
        return sorted(
            self.plan.estimators.items(), key=lambda item: item[0] != self.plan.baseline
        )

    def _contexts(self, tasks, X, y):
        """Contexts of all fits, made ahead of the workers, if there are callbacks."""
        n_fits = sum(len(names) for names, _ in tasks)
        root = self._init_callback_context(
            task_name="compare", max_subtasks=n_fits, sequential_subtasks=False
        )
        if not getattr(self, "_skl_callbacks", None):
            return None
        self._root = root
        root.call_on_fit_task_begin(estimator=self, X=X, y=y)
        contexts, number = [], 0
        for names, split in tasks:
            of_task = {}
            for name in names:
                context = root.subcontext(task_name=f"{name}, fold {split}", task_id=number)
                of_task[name] = (context, self)
                number += 1
            contexts.append(of_task)
        return contexts

    def _run(self, job, tasks, contexts, done, store, described):
        """Run the tasks and take what they return as it comes."""
        splits = self.plan.splits
        variants = {name: Variant.of(one) for name, one in self.plan.estimators.items()}
        calls = (
            (
                position,
                job,
                {name: variants[name] for name in names},
                split,
                splits[split].train,
                splits[split].test,
                splits[split].seed,
                split == 0,
                None if contexts is None else contexts[position],
            )
            for position, (names, split) in enumerate(tasks)
        )
        total, between = {"fit": 0.0, "score": 0.0}, 0.0
        with one_thread():
            for position, fits, spent, bookkeeping in _results(calls, self.n_jobs):
                taken = perf_counter()
                number = tasks[position][1]
                for name, fit in fits.items():
                    done[name, number] = fit
                    if name == self.plan.baseline and fit.error:
                        raise BaselineError(
                            f"the baseline {name!r} must be fitted and scored on every "
                            f"fold. Got on fold {number}: {fit.error} Correct it, or name "
                            "another baseline."
                        )
                    if store and not fit.error and has_finite_scores(fit):
                        store.save(_key(described[name], number), fit)
                total = {what: total[what] + spent[what] for what in total}
                between += bookkeeping + perf_counter() - taken
        return total, between

    def _fail_other_scores(self):
        """Count fits as failed whose scores cannot be compared with the baseline's."""
        baseline = [fit.scores for fit in self.fits_[self.plan.baseline]]
        names = baseline[0].keys()
        for name, fits in self.fits_.items():
            for number, fit in enumerate(fits):
                fits[number] = with_usable_scores(fit, names, baseline[number])
                if name == self.plan.baseline and fits[number].error:
                    raise BaselineError(f"{name!r}, fold {number}: {fits[number].error}")
                for control, one in fit.controls.items():
                    fit.controls[control] = one and with_usable_scores(
                        one, names, baseline[number]
                    )

    def _note_churn(self):
        for number in range(len(self.plan.splits)):
            reference = self.fits_[self.plan.baseline][number].predictions
            for fits in self.fits_.values():
                for fit in (fits[number], *fits[number].controls.values()):
                    if fit is None or fit.predictions is None:
                        continue
                    try:
                        fit.costs["churn"] = churn(
                            fit.predictions, reference, self.plan.kind
                        )
                    except ValueError:  # predictions of another shape
                        fit.costs["churn"] = np.nan

    def _time_predictions(self, X, in_fits, store, described):
        """Time the models of the first fold in turns; return the seconds that this took."""
        started = perf_counter()
        first = {
            name: fits[0] for name, fits in self.fits_.items() if fits[0].model is not None
        }
        split = self.plan.splits[0]
        wanted = {
            cost: n_rows for cost, n_rows in _LATENCIES.items() if cost in self.plan.costs
        }
        if first and wanted:
            budget = np.clip(_SHARE_OF_FITS * in_fits, 0.05, 5.0)
            models = {name: fit.model for name, fit in first.items()}
            any_model = next(iter(models.values()))
            _, rows = split_rows(any_model, X, split.train, split.test)
            with one_thread():
                for cost, n_rows in wanted.items():
                    found = interleaved_latency(models, rows, n_rows, budget=budget)
                    for name, fit in first.items():
                        one = found.get(name)
                        fit.costs[cost] = np.nan if one is None else one.median
        for name, fit in first.items():
            fit.model = None
            if store:
                store.save(_key(described[name], 0), fit)
        return perf_counter() - started


def _some_rows(X, seed):
    """Rows on which the explanations of all fits are compared."""
    n_rows = count_rows(X)
    rows = np.random.default_rng(seed).permutation(n_rows)[:_ROWS_EXPLAINED]
    return take_rows(X, np.sort(rows))


def _key(described, split):
    return digest([described, split])


def _numbered_task(position, *arguments):
    return position, *run_task(*arguments)


def _results(calls, n_jobs):
    """Results as they come, where the backend can; one job needs no backend."""
    if effective_n_jobs(n_jobs) == 1:
        return (_numbered_task(*call) for call in calls)
    try:
        parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    except ValueError:  # multiprocessing returns lists only
        parallel = Parallel(n_jobs=n_jobs)
    return parallel(delayed(_numbered_task)(*call) for call in calls)


def route(params, groups, X, variants, splitter, scorers):
    """Parameters for the fit of each variant, and for each scorer, by their names.

    With metadata routing enabled, requests decide. Otherwise `sample_weight` goes to
    every fit (to the last step of a Pipeline), `groups` to the splitter, to searches, to
    the meta-estimators of this package and to a fit that names it, anything else to every
    fit, and nothing to scorers.
    """
    params = dict(params or {})
    for estimator in variants.values():
        refuse_queries(estimator, params, None)
    if groups is not None:
        check_same_length(X, groups=groups)
    for name, values in params.items():
        if values is not None and name.rpartition("__")[2] == "sample_weight":
            check_weights(values, count_rows(X))
    if not routing_enabled():
        return {
            name: _fit_params(name, estimator, params, groups)
            for name, estimator in variants.items()
        }, {}
    if groups is not None:
        params["groups"] = groups
    if not params:
        return {name: {} for name in variants}, {}
    router = MetadataRouter(owner="compare_pruning")
    router.add(
        splitter=splitter, method_mapping=MethodMapping().add(caller="fit", callee="split")
    )
    for number, estimator in enumerate(variants.values()):
        mapping = MethodMapping().add(caller="fit", callee="fit")
        router.add(method_mapping=mapping, **{f"estimator_{number}": estimator})
    for number, scorer in enumerate(scorers.values()):
        if hasattr(scorer, "get_metadata_routing"):
            mapping = MethodMapping().add(caller="fit", callee="score")
            router.add(method_mapping=mapping, **{f"scorer_{number}": scorer})
    routed = process_routing(router, "fit", **params)
    fit_params = {
        name: dict(routed[f"estimator_{number}"]["fit"])
        for number, name in enumerate(variants)
    }
    score_params = {
        name: dict(routed[f"scorer_{number}"]["score"])
        for number, (name, scorer) in enumerate(scorers.items())
        if hasattr(scorer, "get_metadata_routing")
    }
    return fit_params, score_params


def _fit_params(name, estimator, params, groups):
    last, prefix = last_step(estimator), pipeline_prefix(estimator)
    steps = [step for step, _ in getattr(estimator, "steps", ())]
    for parameter in params:
        step, separator, _ = parameter.partition("__")
        if steps and separator and step not in steps:
            raise ValueError(
                "params must name steps that every Pipeline has. Got "
                f"{parameter!r}, and {name!r} has the steps {', '.join(steps)}. Write "
                "sample_weight for the last step of each, or name the steps alike."
            )
    own = isinstance(last, SampleSubset | PrunedModel)
    given = dict(params)
    if given.get("sample_weight") is not None:
        weights = given.pop("sample_weight")
        if not own and not has_fit_parameter(last, "sample_weight"):
            raise ValueError(
                "params may hold sample_weight if every estimator takes it. Got "
                f"{name!r}, a {type(last).__name__}, which does not. Enable metadata "
                "routing to weight some of them."
            )
        given[f"{prefix}sample_weight"] = weights
    return with_groups(estimator, given | {"groups": groups})
