"""Selectors inside selectors, and the chain in which each narrows the rows."""

from abc import abstractmethod
from dataclasses import replace

import numpy as np
from sklearn import config_context
from sklearn.utils import get_tags, indexable
from sklearn.utils.validation import validate_data

from sklearn_prune._meta import (
    has_tags,
    in_one_line,
    last_step,
    pipeline_prefix,
    routing_enabled,
)
from sklearn_prune._ranking import Ranking, budget_size, check_keep, keep_prefix
from sklearn_prune._seeds import derive_seed
from sklearn_prune._sklearn_compat import InvalidParameterError, count_rows, take_rows
from sklearn_prune.sample_selection._base import (
    RankingContext,
    SampleSelector,
    check_selector,
    tags_within,
)
from sklearn_prune.sample_selection._choice import context_within, rank_once
from sklearn_prune.sample_selection._edited import ENNSelector
from sklearn_prune.sample_selection._herding import HerdingSelector


class NestedSelector(SampleSelector):
    """Base of selectors that rank by other selectors: these read X as it is given."""

    @abstractmethod
    def _parts(self):
        """Return the selectors, or Pipelines that end in one, that rank."""

    def _lasts(self):
        """The selectors themselves, without what is no selector."""
        lasts = (last_step(part) for part in self._parts())
        return [last for last in lasts if isinstance(last, SampleSelector)]

    def _tags_of_parts(self):
        context = self.__dict__.get("_context", RankingContext())
        return [tags_within(part, context) for part in self._parts() if has_tags(part)]

    def _part_of_model(self, context):
        return [
            last_step(part)._part_of_model(context_within(part, context))
            for part in self._parts()
        ]

    def _draws_unseeded(self, context):
        return any(
            last_step(part)._draws_unseeded(context_within(part, context))
            for part in self._parts()
        )

    @property
    def requires_y(self):
        """Whether some part needs y."""
        return any(last.requires_y for last in self._lasts())

    @property
    def allow_nan(self):
        """Whether all parts read missing values."""
        return all(tags.input_tags.allow_nan for tags in self._tags_of_parts())

    @property
    def reads_estimator(self):
        """Whether some part reads the model that the rows are for."""
        return any(last.reads_estimator for last in self._lasts())

    def _check_parts(self):
        for part in self._parts():
            check_selector(part)

    def _check_rows(self, X):
        self._check_parts()
        validate_data(self, X, skip_check_array=True)
        return indexable(X)[0]

    def _resolve_task(self, imposed, y):
        answers = [last._resolve_task(imposed, y) for last in self._lasts()]
        by_y = super()._resolve_task(imposed, y)
        return next((answer for answer in answers if answer != by_y), by_y)

    def _fit_part(self, part, X, y, context):
        """Fit a clone of a part in the given context, or take the fit from the cache.

        The part is given the labels of the user, which its model may know by name.
        """
        if context.labels is not None and y is not None:
            y = context.labels[y]
        prefix = "" if routing_enabled() else pipeline_prefix(part)
        params = {
            f"{prefix}{name}": getattr(context, name)
            for name in ("sample_weight", "groups")
            if getattr(context, name) is not None
        }
        # The fit around this one has switched off the checks of arguments.
        with config_context(skip_parameter_validation=False):
            return rank_once(part, X, y, params, context, context.memory)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        found = self._tags_of_parts()
        for name in ("sparse", "string", "categorical", "three_d_array"):
            value = all(getattr(part.input_tags, name) for part in found)
            setattr(tags.input_tags, name, value)
        tags.no_validation = all(part.no_validation for part in found)
        tags.target_tags.multi_output = all(part.target_tags.multi_output for part in found)
        return tags


class ChainSelector(NestedSelector):
    """Narrow the rows by one selector after the other, and rank what is left by the last.

    Each stage ranks only the rows that the stages before it have left, and drops those
    beyond its size. A class that a stage would empty keeps its best row. The order begins
    with the rows that all stages have left, as ranked by the last stage. Then come the
    rows dropped by each stage, from the last to the first, as ranked by that stage.

    Parameters
    ----------
    selectors : list of selectors or (selector, keep) tuples, default=None
        The stages. A selector with a size of its own needs no `keep`. The others need one,
        a fraction or a number of the rows that reach them, unless they come last. A last
        stage without a size drops nothing. Pipelines that end in a selector are fitted on
        the rows that reach them. None cleans, then covers:
        ``[ENNSelector(), HerdingSelector(random_state=0)]``.

    Attributes
    ----------
    order_ : ndarray of shape (n_samples,), int
        Positions of the rows, most worth keeping first.
    natural_size_ : int
        Number of rows that all stages have left, where some stage drops any.
    selectors_ : list of selectors
        The fitted stages. Positions in them count the rows that reached the stage.

    See Also
    --------
    AutoSelector : Cleans, then covers; the one to try first.

    Notes
    -----
    The cost is that of the stages. With `memory` in the meta-estimator each stage is
    cached apart. Parameters of a stage are named by its position: ``0__n_neighbors`` is
    `n_neighbors` of the first selector, and ``"0"`` the selector itself.

    The seed of a meta-estimator gives each stage one of its own. The task is what it
    says, else what the first stage with a `task` of its own says, else decided by y.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_prune.sample_selection import ChainSelector, L2PenaltySelector
    >>> from sklearn_prune.sample_selection import RandomSelector
    >>> X, y = load_iris(return_X_y=True)
    >>> y[7] = 2  # a wrong label
    >>> selector = ChainSelector([(L2PenaltySelector(), 0.9), RandomSelector()])
    >>> selector = selector.fit(X, y)
    >>> selector.natural_size_, int(selector.order_[-1])
    (135, 7)
    """

    _parameter_constraints = {"selectors": [list, None]}

    def __init__(self, selectors=None):
        self.selectors = selectors

    def _stages(self):
        """Pairs of a selector and its keep, or None for the size of its own."""
        stages = self.selectors
        if stages is None:
            stages = [ENNSelector(), HerdingSelector(random_state=0)]
        return [
            stage if isinstance(stage, tuple) and len(stage) == 2 else (stage, None)
            for stage in (stages if isinstance(stages, list) else [])
        ]

    def _parts(self):
        return [part for part, _ in self._stages()]

    @property
    def has_natural_size(self):
        """Whether some stage drops rows."""
        stages = self._stages()
        return len(stages) > 1 or any(_drops(*stage) for stage in stages)

    @property
    def budget_dependent(self):
        """Whether the ranking of some stage depends on the number of rows to keep."""
        return any(last.budget_dependent for last in self._lasts())

    @property
    def order_dependent(self):
        """Whether the places of rows decide in some stage."""
        return any(last.order_dependent for last in self._lasts())

    def get_params(self, deep=True):
        """Get the parameters, those of the stages by position.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the stages and their parameters.

        Returns
        -------
        dict
            Names and values.
        """
        params = super().get_params(deep=False)
        if deep and self.selectors is not None:
            for number, part in enumerate(self._parts()):
                params[str(number)] = part
                if hasattr(part, "get_params") and not isinstance(part, type):
                    for name, value in part.get_params(deep=True).items():
                        params[f"{number}__{name}"] = value
        return params

    def set_params(self, **params):
        """Set parameters, those of the stages by position.

        Parameters
        ----------
        **params : dict
            `selectors`, or ``{"0": selector}``, or ``{"0__n_neighbors": 5}``.

        Returns
        -------
        self : ChainSelector
            The selector itself.
        """
        if "selectors" in params:
            self.selectors = params.pop("selectors")
        for name in params.keys() & self.get_params(deep=True).keys():
            if name.isdecimal():
                stages, number = list(self.selectors), int(name)
                selector, keep = params.pop(name), self._stages()[number][1]
                stages[number] = selector if keep is None else (selector, keep)
                self.selectors = stages
        return super().set_params(**params)

    def _check_parts(self):
        super()._check_parts()
        stages = self._stages()
        if not stages:
            raise InvalidParameterError(
                "selectors must hold one selector at least. Got []. Write "
                "ChainSelector([ENNSelector(), HerdingSelector()])."
            )
        for number, (part, keep) in enumerate(stages):
            if keep is not None:
                check_keep(keep)
            must_drop = number < len(stages) - 1 or keep == "auto"
            if must_drop and not _drops(part, keep):
                raise InvalidParameterError(
                    "Each stage of ChainSelector but the last needs a size. Got "
                    f"{in_one_line(part)}, which has none of its own. Write "
                    f"({in_one_line(part)}, 0.9)."
                )

    def _rank(self, X, y, context):
        n = count_rows(X)
        is_class = context.task == "classification" and y.ndim == 1
        rows, dropped, self.selectors_ = np.arange(n), [], []
        for number, (part, keep) in enumerate(self._stages()):
            drops = _drops(part, keep)
            own_y = None if y is None else y[rows]
            fitted = self._fit_part(
                part,
                X if len(rows) == n else _rows_for(context.estimator, X, rows),
                own_y,
                self._stage_context(context, number, keep, drops, rows),
            )
            ranking = last_step(fitted).ranking
            kept = np.arange(len(rows))
            if drops:
                kept = keep_prefix(
                    ranking,
                    "auto" if keep is None else keep,
                    classes=own_y if is_class else None,
                )
            stays = np.isin(ranking.order, kept)
            order = rows[ranking.order]
            dropped.append(order[~stays])
            left, rows = order[stays], rows[kept]
            self.selectors_.append(fitted)
        natural_size = len(left) if self.has_natural_size else None
        return Ranking(np.concatenate([left, *dropped[::-1]]), natural_size=natural_size)

    def _stage_context(self, context, number, keep, drops, rows):
        """The context of one stage: its own seed and budget, weights and groups."""
        seed, weights, groups = context.seed, context.sample_weight, context.groups
        budget = None
        if drops and keep not in (None, "auto"):
            budget = budget_size(keep, len(rows))
        elif not drops and context.budget is not None:
            budget = min(context.budget, len(rows))
        if weights is not None:
            weights = weights[rows] if weights[rows].any() else None
        return replace(
            context,
            seed=None if seed is None else derive_seed(seed, f"stage {number}"),
            budget=budget,
            sample_weight=weights,
            groups=None if groups is None else take_rows(groups, rows),
        )


def _rows_for(model, X, rows):
    """Some of the rows; of a matrix of pairs, also the columns."""
    part = take_rows(X, rows)
    if has_tags(model) and get_tags(model).input_tags.pairwise:
        part = take_rows(part, rows, axis=1)
    return part


def _drops(part, keep):
    """Whether a stage drops the rows beyond its size."""
    if keep in (None, "auto"):
        return bool(getattr(last_step(part), "has_natural_size", False))
    return True
