"""Linear models that learn row by row: pruned while they train, set back to their start."""

from dataclasses import replace

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone, is_classifier

from sklearn_prune._meta import weight_parameter
from sklearn_prune._seeds import derive_seed, draw_seed
from sklearn_prune.models.linear.dropout import dropped
from sklearn_prune.models.linear.losses import targets_of, weights_of_classes
from sklearn_prune.predictors import take_columns
from sklearn_prune.weight_pruning import ranked_within, table_size

PRUNED_BY = 0.6  # share of the updates after which nothing is cut any more
_COEFFICIENTS = ("coef_", "_standard_coef", "_average_coef")


def is_trained(model):
    """Whether a linear model learns by stochastic gradients: SGD*, Perceptron and such."""
    return any(cls.__name__ == "BaseSGD" for cls in type(model).__mro__)


def initial_values(work, context):
    """Coefficients and intercepts that training starts from: given to fit, or zeros."""
    coefficients = np.zeros(work.mask.shape, dtype=work.coefficients.dtype)
    given = context.fit_params.get("coef_init")
    if given is not None:
        coefficients[:] = np.reshape(given, work.mask.shape)
    intercepts = np.zeros(np.shape(work.intercepts), dtype=coefficients.dtype)
    given = context.fit_params.get("intercept_init")
    if given is not None:
        intercepts = intercepts + np.reshape(given, intercepts.shape)
    return coefficients, intercepts


def prune_while_training(family, work, unit, share, request, context):
    """Train once, for the epochs of the first fit, and cut until the share is left.

    The cuts are spread evenly over the first 60 % of the updates; each ranks what is left
    by the coefficients of the moment. Each output is trained by `partial_fit` of
    scikit-learn's own class, which has its losses, penalties, learning rates and averages.
    The columns that an output has lost are zeros in the rows that it gets, so that their
    coefficients stay at zero between the cuts. A learning rate that is "adaptive" is not
    lowered. A frozen model trains on from its parameters, others start anew.
    """
    criterion = family.criterion_for(unit, request.criterion)
    by_size = request.unit == "auto"
    total = table_size(family.table(work, unit, context), by_size)
    if not isinstance(share, float):
        share = share / total
    epochs = int(context.refit_params.get("max_iter", work.model.n_iter_))
    training = _Training(work, context)
    n_updates = epochs * training.n_rows
    parts = request.schedule.shares(share)
    for cut, part in enumerate(parts, start=1):
        training.run_to(int(PRUNED_BY * n_updates * cut / len(parts)))
        now, rows, columns = training.work(), context, slice(None)
        if unit == "feature" and not now.mask.any(axis=0).all():
            columns = np.flatnonzero(now.mask.any(axis=0))
            rows = replace(context, X=take_columns(context.X, columns))
            now = family.on_columns(now, columns)
        _, table, kept = ranked_within(
            part * total, criterion, family, now, unit, rows, by_size
        )
        mask = np.zeros_like(work.mask)
        mask[:, columns] = _mask_of_kept(family, now, unit, table, kept, rows)
        training.mask_by(mask)
    training.run_to(n_updates)
    return training.work()


def _mask_of_kept(family, work, unit, table, kept, context):
    if unit != "feature":
        return family.apply(work, unit, kept, context).mask
    return work.mask & np.isin(np.arange(work.mask.shape[1]), table.ids[kept])


class _Training:
    """The models of all outputs, and how many updates they have seen."""

    def __init__(self, work, context):
        self.start, self.context = work, context
        self.X = context.array
        self.n_rows, self.mask, self.done = self.X.shape[0], work.mask, 0
        self.classifies = is_classifier(work.model)
        targets = targets_of(work, context)
        self.targets = targets.astype(int) if self.classifies else targets
        template = context.template
        state = template.random_state
        self.seed = context.role_seed("train") if state is None else draw_seed(state)
        self.dropout_rng = np.random.default_rng(context.role_seed("dropout"))
        self.weights = None
        if weight_parameter(template) is not None:
            self.weights = context.sample_weight
        self.models = self._started()

    def _started(self):
        """A model for each output, with the values that training starts from."""
        work, context = self.start, self.context
        coefficients, intercepts = work.coefficients, work.intercepts
        if not context.is_frozen:
            coefficients, intercepts = initial_values(work, context)
        intercepts = np.broadcast_to(np.ravel(intercepts), len(work.mask))
        models = []
        for output, own in enumerate(coefficients):
            model = clone(context.template).set_params(**self._params_of(output))
            if context.is_frozen or own.any() or intercepts[output]:
                self._fit(model, output, self.X[:1], slice(0, 1))
                _overwrite(model, own, intercepts[output])
                model.t_ = work.model.t_ if context.is_frozen else 1.0
            models.append(model)
        return models

    def _params_of(self, output):
        params = {"early_stopping": False}
        if self.classifies and self.context.target.ndim == 1:
            weights = weights_of_classes(self.context, self.start.model.classes_)
            if weights is not None and len(self.mask) == 1:
                params["class_weight"] = {-1: float(weights[0]), 1: float(weights[1])}
            elif weights is not None:  # the others weigh 1, as in one against the rest
                params["class_weight"] = {-1: 1.0, 1: float(weights[output])}
        return params

    def run_to(self, stop):
        """Train until so many rows have been seen."""
        chunks = list(self._chunks(stop))
        if not chunks:
            return
        for output, model in enumerate(self.models):
            X = _only(self.X, self.mask[output])
            for epoch, rows in chunks:
                model.set_params(random_state=derive_seed(self.seed, f"epoch-{epoch}"))
                whole = len(rows) == self.n_rows
                chosen = slice(None) if whole else rows
                self._fit(model, output, X if whole else X[rows], chosen)
        self.done = max(self.done, stop)

    def _chunks(self, stop):
        """Epochs, and the rows of each that are to be seen."""
        start = self.done
        while start < stop:
            epoch, first = divmod(start, self.n_rows)
            last = min(self.n_rows, first + stop - start)
            rows = np.arange(self.n_rows)
            if self.context.template.shuffle:
                rng = np.random.default_rng(derive_seed(self.seed, f"rows-{epoch}"))
                rows = rng.permutation(self.n_rows)
            yield epoch, rows[first:last]
            start += last - first

    def _fit(self, model, output, X, rows):
        if self.context.dropout > 0:
            X = dropped(X, self.context.dropout, self.dropout_rng)
        params = {"classes": np.array([-1, 1])} if self.classifies else {}
        if self.weights is not None:
            params["sample_weight"] = self.weights[rows]
        model.partial_fit(X, self.targets[rows, output], **params)

    def mask_by(self, mask):
        """Set all coefficients outside the mask to zero, and keep them there."""
        self.mask = mask
        for model, own in zip(self.models, mask, strict=True):
            for values in _coefficients_of(model):
                values[..., ~own] = 0.0

    def work(self):
        """The working form of the moment."""
        dtype = self.start.coefficients.dtype
        shape = np.shape(self.start.intercepts)
        coefficients = np.zeros(self.mask.shape, dtype=dtype)
        intercepts = np.zeros(len(self.mask), dtype=dtype)
        for output, model in enumerate(self.models):
            if hasattr(model, "coef_"):
                coefficients[output] = np.where(self.mask[output], np.ravel(model.coef_), 0)
                intercepts[output] = np.ravel(model.intercept_)[0]
        intercepts = np.array(intercepts[0] if shape == () else intercepts)[()]
        return replace(
            self.start, coefficients=coefficients, intercepts=intercepts, mask=self.mask
        )


def _coefficients_of(model):
    """All arrays of coefficients that `partial_fit` goes on from."""
    found = [getattr(model, name, None) for name in _COEFFICIENTS]
    return [values for values in found if values is not None]


def _overwrite(model, coefficients, intercept):
    """Set what `partial_fit` goes on from; averages start anew."""
    for name in _COEFFICIENTS[:2]:
        if getattr(model, name, None) is not None:
            getattr(model, name)[...] = coefficients
    for name in ("intercept_", "_standard_intercept"):
        if getattr(model, name, None) is not None:
            setattr(model, name, np.full(1, intercept, dtype=np.float64))
    for name in ("_average_coef", "_average_intercept"):
        if getattr(model, name, None) is not None:
            setattr(model, name, np.zeros_like(getattr(model, name)))


def _only(X, mask):
    """The rows with zeros in the columns outside the mask."""
    if mask.all():
        return X
    if not issparse(X):
        return np.ascontiguousarray(np.where(mask, X, X.dtype.type(0)))
    kept = X.copy()
    kept.data = np.where(mask[kept.indices], kept.data, X.dtype.type(0))
    kept.eliminate_zeros()
    return kept
