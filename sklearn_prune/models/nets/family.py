"""What nets of every library share: units, rankings, and pruning while they train."""

import warnings
from dataclasses import replace
from functools import partial

import numpy as np

from sklearn_prune._ranking import budget_size, parameter_budget
from sklearn_prune._seeds import limited_threads
from sklearn_prune._sklearn_compat import InvalidParameterError
from sklearn_prune.models.nets.reconstruction import (
    MOST_ROWS,
    fit_shared_values,
    reconstruct,
)
from sklearn_prune.models.nets.units import (
    alive_units,
    count_parameters,
    curved_effects,
    layer_codes,
    mask_of,
    norms_of,
    parameters_of_units,
    slices_of,
    some_rows,
    squared_effects,
)
from sklearn_prune.predictors import CompactNet, Graph
from sklearn_prune.weight_pruning import (
    Family,
    GradualSchedule,
    Restores,
    TrainsOn,
    UnitTable,
    ranked_within,
    table_size,
)
from sklearn_prune.weight_pruning.criteria import (
    ActivationCriterion,
    MagnitudeCriterion,
    PenaltyCriterion,
    RandomCriterion,
    SecondOrderCriterion,
    TaylorCriterion,
)

_WEIGHT_CRITERIA = (
    MagnitudeCriterion,
    SecondOrderCriterion,
    TaylorCriterion,
    PenaltyCriterion,
    RandomCriterion,
)
UNIT_CRITERIA = (ActivationCriterion, *_WEIGHT_CRITERIA)
_OF_WEIGHTS = ("weights", "removal_losses", "gradient_effects", "penalised")
OF_UNITS = (*_OF_WEIGHTS, "activations")
_PLAN = GradualSchedule(n_steps=30)
DISTILLED = 0.5  # share of the unpruned net's outputs in the loss of a refit


class NetFamily(TrainsOn, Restores, Family):
    """Nets: single weights, hidden neurons, channels and inputs.

    Training keeps the shapes and holds what is pruned at zero; the predictor leaves it
    out. A subclass knows one library: it makes working forms (`MaskedNet`) of fitted
    models, trains them, gives the gradients of single rows, and restores models.
    """

    has_layers = True
    takes_dropout = True
    units = ("weight", "neuron", "channel", "input")
    criteria = {
        "weight": _WEIGHT_CRITERIA,
        "neuron": UNIT_CRITERIA,
        "channel": UNIT_CRITERIA,
        "input": UNIT_CRITERIA,
    }
    offers = {
        "weight": _OF_WEIGHTS,
        "neuron": OF_UNITS,
        "channel": OF_UNITS,
        "input": OF_UNITS,
    }

    def initial(self, work, context):
        """The working form with the parameters that training started from."""
        raise NotImplementedError

    def train(self, work, context, *, cuts=(), teacher=None, distill=0.0, shrink=None):
        """Train what the masks leave.

        Parameters
        ----------
        work : MaskedNet
            Where training starts.
        context : PruningContext
            Rows, and the template whose parameters hold.
        cuts : sequence of callable
            Each makes of a working form one with smaller masks; they are spread evenly
            over the first 60 % of the updates.
        teacher : MaskedNet or None
            A net whose outputs count as targets, too.
        distill : float
            Their share in the loss.
        shrink : callable or None
            ``shrink(name, weight, n_updates)`` gives the weight, array or tensor, that
            replaces one after each update.

        Returns
        -------
        MaskedNet
            The trained net. What is masked is zero throughout.
        """
        raise NotImplementedError

    def row_gradients(self, work, context):
        """Yield, for chunks of rows, the gradient of each row's loss by parameter."""
        raise NotImplementedError

    def rows_of(self, work, context):
        """The inputs as an array of floats, as the first layer sees them."""
        raise NotImplementedError

    def inputs_of(self, work, context):
        """What `rows_of` gives, or the same as a CSR matrix."""
        return self.rows_of(work, context)

    def plain_values(self, work):
        """The values as the operations of the graph use them."""
        return work.values

    def table(self, work, unit, context):
        if unit == "weight":
            masks = [mask_of(work, name) for name in work.weight_names()]
            ids = np.flatnonzero(np.concatenate([mask.ravel() for mask in masks]))
            sizes = [np.count_nonzero(mask) for mask in masks]
            ones = np.ones(len(ids), dtype=np.int64)
            return UnitTable(
                ids, ones, count_parameters(work) - len(ids), layer_codes(sizes)
            )
        ids, parameters, sizes, start = [], [], [], 0
        for site in self._sites(work, unit):
            alive = alive_units(work, site)
            ids.append(start + np.flatnonzero(alive))
            parameters.append(parameters_of_units(work, site)[alive])
            sizes.append(int(alive.sum()))
            start += site.size
        parameters = np.concatenate(parameters)
        fixed = max(0, count_parameters(work) - int(parameters.sum()))
        return UnitTable(np.concatenate(ids), parameters, fixed, layer_codes(sizes))

    def _sites(self, work, unit):
        if work.graph is None:
            raise InvalidParameterError(
                f"unit={unit!r} needs a module that can be followed. Got "
                f"{type(work.model).__name__}, whose module cannot be: {work.reason}. "
                'Write unit="weight".'
            )
        unit = "input" if unit == "feature" else unit
        sites = [site for site in work.graph.sites if site.unit == unit]
        if not sites:
            there = dict.fromkeys(site.unit for site in work.graph.sites)
            raise InvalidParameterError(
                f"unit={unit!r} needs layers whose {unit}s can go. Got a "
                f"{type(work.model).__name__} without any. Write unit="
                f"{' or '.join(repr(name) for name in ('weight', *there))}."
            )
        return sites

    def apply(self, work, unit, kept, context):
        masks = dict(work.masks)
        if unit == "weight":
            ids = self.table(work, unit, context).ids[kept]
            names = work.weight_names()
            flat = np.zeros(sum(work.values[name].size for name in names), dtype=bool)
            flat[ids] = True
            ends = np.cumsum([work.values[name].size for name in names])
            for name, part in zip(names, np.split(flat, ends[:-1]), strict=True):
                masks[name] = part.reshape(work.values[name].shape)
            return replace(work.masked(masks), before=replace(work, before=None))
        ids = self.table(work, unit, context).ids[kept]
        start = 0
        for site in self._sites(work, unit):
            left = np.isin(np.arange(site.size) + start, ids)
            start += site.size
            for name, axis, block in slices_of(site):
                shape = [1] * work.values[name].ndim
                shape[axis] = -1
                along = np.repeat(left, block).reshape(shape)
                masks[name] = mask_of(work, name, masks) & along
        return work.masked(masks)

    def refit(self, work, unit, context):
        """Train on, with the outputs of the net before it was pruned as further targets."""
        work = self._reconstructed(work, work.before, context)
        share = 0.0 if work.teacher is None else DISTILLED
        return self.train(work, context, teacher=work.teacher, distill=share)

    def resumed(self, compact, model, context):
        """The working form of a predictor, to be trained on; what is zero is masked."""
        work = self.start(model, context)
        masks = {name: work.values[name] != 0 for name in work.weight_names()}
        return replace(work, masks=masks)

    def quantized(self, compact, work, quantizer, context):
        """Rounded weights; shared values are fitted to the outputs of the layers."""
        rounded = compact.quantized(quantizer)
        if quantizer.scheme != "codebook" or not isinstance(compact, CompactNet):
            return rounded
        some, weights = _rows_to_fit(context)
        with limited_threads(1):
            return fit_shared_values(compact, rounded, self.inputs_of(work, some), weights)

    def rewind(self, work, context):
        """What is left, set back to the values that training started from."""
        first = self.initial(work, context)
        first = replace(first, n_epochs=work.n_epochs, teacher=None, before=None)
        return first.masked(work.masks)

    def reduce(self, work, shares, request, context):
        if isinstance(request.schedule, GradualSchedule):
            unit = self.units[0] if request.unit == "auto" else request.unit
            start = work if context.is_frozen else self.initial(work, context)
            smaller = [
                self._while_training(start, unit, share, request, context, request.schedule)
                for share in shares
            ]
        else:
            work = replace(work, teacher=work, moves=request.criterion is None)
            smaller = super().reduce(work, shares, request, context)
            if not request.refit:
                smaller = [
                    self._reconstructed(left, left.before and work, context)
                    for left in smaller
                ]
        return [replace(left, teacher=None, before=None, moves=False) for left in smaller]

    def _reconstructed(self, work, full, context):
        """The net with weights that give its layers the outputs of a fuller net.

        It stays as it is if it lost whole units, so that `full` is None, or cannot be
        followed.
        """
        if full is None or work.graph is None:
            return work
        masks = {name: mask_of(work, name) for name in work.weight_names()}
        some, weights = _rows_to_fit(context)
        with limited_threads(1):
            values, masks = reconstruct(
                work.graph,
                self.plain_values(full),
                self.plain_values(work),
                masks,
                self.inputs_of(work, some),
                row_weights=weights,
                moves=work.moves,
            )
        left = replace(work, values=work.values | values, masks=work.masks | masks)
        return _without_unread(left) if work.moves else left

    def check_left(self, work, unit, context):
        counted = self.units[0] if unit == "auto" else unit
        if np.any(self.layers_left(work, counted, context) == 1):
            warnings.warn(
                f"A layer is left with a single {counted}, the least that it can have: "
                "keep is very small for this net.",
                UserWarning,
                stacklevel=6,
            )

    def layers_left(self, work, unit, context):
        """How many units are left in each layer that has lost some."""
        return np.bincount(self.table(work, unit, context).groups)

    def plan(self, work, shares, request, context):
        """Weights by size, cut while the net trains on, with its own outputs as targets."""
        if not request.refit or request.schedule is not None:
            return super().plan(work, shares, request, context)
        return [
            self._while_training(work, "weight", share, request, context, _PLAN)
            for share in shares
        ]

    def _while_training(self, work, unit, share, request, context, schedule):
        """Train once, and cut in steps until the share is reached."""
        criterion = self.criterion_for(unit, request.criterion)
        by_size = request.unit == "auto"
        total = table_size(self.table(work, unit, context), by_size)
        share = (parameter_budget if by_size else budget_size)(share, total) / total

        def cut(now, part):
            size = part * total
            *_, kept = ranked_within(size, criterion, self, now, unit, context, by_size)
            return self.silence(now, unit, kept, context)

        cuts = [partial(cut, part=part) for part in schedule.shares(share)]
        distill = 0.0 if work.teacher is None else DISTILLED
        teacher = work.teacher
        trained = self.train(work, context, cuts=cuts, teacher=teacher, distill=distill)
        return self.finished(trained, work, unit, context)

    def silence(self, work, unit, kept, context):
        """The working form with zeros for the other units, in the same shapes."""
        return self.apply(work, unit, kept, context)

    def finished(self, work, start, unit, context):
        """What is left of `start` after training in which units were set to zero."""
        return work

    def count(self, work):
        values = [
            (value, work.masks.get(name))
            for name, value in work.values.items()
            if self.is_parameter(work, name)
        ]
        n_parameters = sum(
            value.size if mask is None else int(mask.sum()) for value, mask in values
        )
        return n_parameters, sum(int(np.count_nonzero(value)) for value, _ in values)

    def is_parameter(self, work, name):
        """Whether a value is trained, as opposed to stored beside."""
        return True

    def auto_shares(self, work, unit, context):
        return (0.5, 0.25, 0.12, 0.06, 0.03, 0.015)

    def weights(self, work, unit, context):
        if unit == "weight":
            names = work.weight_names()
            alive = [work.values[name][mask_of(work, name)] for name in names]
            return np.concatenate(alive).astype(np.float64)[:, None]
        rows = []
        for site in self._sites(work, unit):
            names = site.makers or site.readers
            if unit in ("input", "feature"):
                spread = self._spreads_at(work, site, context)
            parts = []
            for name, axis, *_ in names:
                value = np.moveaxis(work.values[name], axis, 0)
                parts.append(value.reshape(site.size, -1))
                if unit in ("input", "feature"):
                    parts[-1] = parts[-1] * spread[:, None]
            rows.append(np.concatenate(parts, axis=1)[alive_units(work, site)])
        width = max(row.shape[1] for row in rows)
        return np.concatenate(
            [np.pad(row, ((0, 0), (0, width - row.shape[1]))) for row in rows]
        ).astype(np.float64)

    def activations(self, work, unit, context):
        """Variance of the output of each unit, times the squares of what reads it."""
        scores = []
        for site in self._sites(work, unit):
            squares = np.zeros(site.size)
            for name, axis, _ in site.readers:
                value = np.moveaxis(work.values[name], axis, 0).astype(np.float64)
                squares += (value.reshape(site.size, -1) ** 2).sum(axis=1)
            spread = self._spreads_at(work, site, context)
            scores.append((spread**2 * squares)[alive_units(work, site)])
        return np.concatenate(scores)

    def _spreads_at(self, work, site, context):
        """Standard deviation of the output of each unit of a site over some rows."""
        rows = self.rows_of(work, some_rows(context))
        upto = Graph(work.graph.operations[: site.source + 1], ())
        outputs = rows
        if site.source:
            values = self.plain_values(work)
            outputs = CompactNet.of(upto, values, None).forward(rows)
        outputs = np.moveaxis(np.asarray(outputs, dtype=np.float64), 1, 0)
        return outputs.reshape(site.size, -1).std(axis=1)

    def gradient_effects(self, work, unit, context):
        return np.sqrt(self._mean_over_rows(work, unit, context, squared_effects))

    def removal_losses(self, work, unit, context):
        """Rise of the loss by the diagonal of the mean squared gradients."""
        return self._mean_over_rows(work, unit, context, curved_effects) / 2

    def _mean_over_rows(self, work, unit, context, measure):
        total, n_rows = 0.0, 0
        for gradients in self.row_gradients(work, some_rows(context)):
            effects = {
                name: gradient * work.values[name] for name, gradient in gradients.items()
            }
            if unit == "weight":
                parts = [
                    (effects[name] ** 2).sum(axis=0)[mask_of(work, name)]
                    for name in work.weight_names()
                ]
            else:
                parts = [
                    measure(effects, site)[alive_units(work, site)]
                    for site in self._sites(work, unit)
                ]
            total = total + np.concatenate(parts).astype(np.float64)
            n_rows += len(next(iter(gradients.values())))
        return total / n_rows

    def penalised(self, work, unit, penalty, context):
        """Train under a penalty whose whole pull is the mean size of a layer's weights.

        Under L1 each weight (or the norm of the weights of each unit) moves towards zero
        by the same step after each update; under L2 by the same share. The sum of the
        steps is the mean size: what the loss does not hold ends near zero.
        """
        groups = {} if unit == "weight" else self.axes_of_units(work, unit, context)
        means = {}
        for name in work.weight_names():
            sizes = norms_of(np.asarray(work.values[name]), groups.get(name))
            means[name] = float(abs(sizes).mean())

        def shrink(name, weight, n_updates):
            if unit != "weight" and name not in groups:
                return weight
            if penalty == "l2":
                return weight * (1 - 1 / n_updates)
            norms = norms_of(weight, groups.get(name))
            left = 1 - means[name] / n_updates / (norms + 1e-30)
            return weight * (left * (left > 0))

        trained = self.train(work, context, shrink=shrink)
        found = self.weights(trained, unit, context)
        strengths = np.linalg.norm(found, axis=1)
        if unit != "weight":
            layers = self.table(trained, unit, context).groups
            strengths = strengths / (np.bincount(layers, strengths)[layers] + 1e-30)
            strengths = strengths * np.bincount(layers)[layers]
        return trained, strengths

    def axes_of_units(self, work, unit, context):
        """For each weight that makes units, the axis along which they lie."""
        return {
            name: axis
            for site in self._sites(work, unit)
            for name, axis, *_ in site.makers or site.readers
            if work.values[name].ndim > 1
        }


def _without_unread(work):
    """The net without the weights of hidden units that no weight reads."""
    for site in reversed(work.graph.sites):
        unread = ~alive_units(work, site)
        if unread.any() and not unread.all():
            masks = dict(work.masks)
            for name, axis in site.makers:
                if work.values[name].ndim > 1:
                    mask = mask_of(work, name, masks).copy()
                    np.moveaxis(mask, axis, 0)[unread] = False
                    masks[name] = mask
            work = work.masked(masks)
    return work


def _rows_to_fit(context):
    """Some rows for least squares, and how much each counts, or None."""
    some = some_rows(context, MOST_ROWS)
    weights = some.sample_weight
    return some, weights if weights is not None and weights.any() else None
