"""How scikit-learn's multilayer perceptrons are pruned."""

import warnings
from bisect import bisect_left
from dataclasses import replace

import numpy as np
from scipy.sparse import issparse
from sklearn.base import clone, is_classifier
from sklearn.preprocessing import LabelBinarizer

from sklearn_prune.models.nets.family import NetFamily
from sklearn_prune.models.nets.mlp_passes import Layers, outputs_of, row_gradients
from sklearn_prune.models.nets.mlp_training import MlpRows, TrainingPlan, train_masked
from sklearn_prune.models.nets.units import MaskedNet, mask_of
from sklearn_prune.models.readers import (
    drop_optimizer,
    label_binarizer,
    ready_to_go_on,
    set_label_binarizer,
)
from sklearn_prune.predictors import (
    CompactNetClassifier,
    CompactNetRegressor,
    Graph,
    Operation,
    Site,
    copy_attributes,
)
from sklearn_prune.weight_pruning import Accepted, Refused

_LOSSES = {
    "softmax": "log_loss",
    "logistic": "binary_log_loss",
    "identity": "squared_error",
    "exp": "poisson",
}


class MlpFamily(NetFamily):
    """MLPClassifier and MLPRegressor."""

    units = ("weight", "neuron", "input")
    criteria = {unit: NetFamily.criteria[unit] for unit in units}
    offers = {unit: NetFamily.offers[unit] for unit in units}

    def accepts(self, model):
        binarizer = label_binarizer(model)
        if binarizer is not None:
            if binarizer.sparse_input_:
                return Refused("its labels are a sparse matrix")
            if len(model.classes_) == 1:
                return Refused("it has seen only one class")
        return Accepted(self)

    def start(self, model, context):
        layers = zip(model.coefs_, model.intercepts_, strict=True)
        values = _values_of(layers)
        sizes = [model.n_features_in_, *map(len, model.intercepts_)]
        return MaskedNet(
            model, graph_of(sizes, model.activation), values, n_epochs=model.n_iter_
        )

    def from_scratch(self, estimator, size):
        """The perceptron with narrower hidden layers, all by about the same factor."""
        hidden = np.atleast_1d(estimator.hidden_layer_sizes).astype(int)
        if not len(hidden):
            return None
        outputs = size.predictor.full_values()[f"intercepts_{len(hidden)}"].size
        # Units are added to the layer that is the narrowest for what it was.
        layers = np.repeat(np.arange(len(hidden)), hidden)
        fullness = np.concatenate([np.arange(1, width + 1) / width for width in hidden])
        layers = layers[np.argsort(fullness, kind="stable")]

        def widths(n_units):
            return np.maximum(1, np.bincount(layers[:n_units], minlength=len(hidden)))

        def excess(n_units):
            sizes = np.array([size.n_features, *widths(n_units), outputs])
            return np.sum((sizes[:-1] + 1) * sizes[1:]) - size.after

        first_over = bisect_left(range(len(layers)), 0, key=excess)
        best = min((max(0, first_over - 1), first_over), key=lambda n: abs(excess(n)))
        return clone(estimator).set_params(hidden_layer_sizes=tuple(widths(best).tolist()))

    def untrained(self, model, context):
        """The model as training begins, as if it were fitted."""
        return _without_moving(model, context.X, context.y, **context.fit_params)

    def initial(self, work, context):
        """The parameters that `fit` draws: those of a net that has not moved yet.

        They depend on the shapes and the seed alone: rows of zeros, one for each class,
        are enough.
        """
        model = work.model
        y = np.ones((2, model.n_outputs_))
        if is_classifier(model):
            multilabel = _is_multilabel(model)
            y = np.zeros((2, model.n_outputs_), dtype=int) if multilabel else model.classes_
        elif model.n_outputs_ == 1:
            y = y.ravel()
        X = np.zeros((len(y), model.n_features_in_), context.array.dtype)
        still = _without_moving(clone(context.template), X, y)
        values = _values_of(zip(still.coefs_, still.intercepts_, strict=True))
        return replace(work, values=values, masks={}, n_epochs=0)

    def train(self, work, context, *, cuts=(), teacher=None, distill=0.0, shrink=None):
        loss = _LOSSES[work.model.out_activation_]
        rows = MlpRows(context.array, _targets(work.model, context), context.sample_weight)
        if teacher is not None and distill > 0:
            layers = Layers.of(teacher.values)
            outputs = outputs_of(layers, teacher.model.activation, loss, rows.X)
            rows = rows.taught(outputs, distill)
        seed = context.role_seed("dropout") if context.dropout else None
        plan = TrainingPlan(tuple(cuts), shrink, context.dropout, seed)
        return train_masked(work, context.template, loss, rows, plan)

    def reduce(self, work, shares, request, context):
        smaller = super().reduce(work, shares, request, context)
        return [_without_weightless(each, context) for each in smaller]

    def partial_params(self, template):
        return {"max_iter": 1, "early_stopping": False}

    def n_iter(self, work):
        return work.n_epochs

    def row_gradients(self, work, context):
        model = work.model
        layers = Layers.of(work.values)
        X = context.array.astype(layers.flat.dtype, copy=False)
        targets = _targets(model, context).astype(layers.flat.dtype)
        loss = _LOSSES[model.out_activation_]
        yield from row_gradients(layers, model.activation, loss, X, targets)

    def rows_of(self, work, context):
        X = context.array
        return X.toarray() if issparse(X) else X

    def inputs_of(self, work, context):
        return context.array

    def compact(self, work):
        model = work.model
        n_epochs = max(1, model.n_iter_)
        facts = {"n_iter_": work.n_epochs, "t_": model.t_ * work.n_epochs // n_epochs}
        if is_classifier(model):
            cls = CompactNetClassifier
            softmax = model.out_activation_ == "softmax"
            facts["output_"] = "softmax" if softmax else "sigmoid"
            facts["classes_"] = np.copy(model.classes_)
            facts["multilabel_"] = _is_multilabel(model)
        else:
            cls = CompactNetRegressor
            facts["output_"] = model.out_activation_
        names = getattr(model, "feature_names_in_", None)
        facts |= {"names": names, "order": "F"}
        return cls.of(work.graph, work.values, model.n_features_in_, **facts)

    def restore(self, compact, template):
        values = compact.full_values()
        layers = Layers.of(values)
        coefs, intercepts = living_layers(
            layers.coefs, layers.intercepts, template.activation
        )
        return _filled(template, compact, coefs, intercepts)


def graph_of(sizes, activation):
    """The operations of a perceptron with these numbers of units, inputs first."""
    operations = [Operation("input")]
    sites = [Site("input", sizes[0], 0, (), (("coefs_0", 1, 1),))]
    n_layers = len(sizes) - 1
    for layer in range(n_layers):
        weight, bias = f"coefs_{layer}", f"intercepts_{layer}"
        operations.append(Operation("dense", (len(operations) - 1,), weight, bias))
        if layer == n_layers - 1:
            break
        operations.append(
            Operation("activation", (len(operations) - 1,), settings={"name": activation})
        )
        sites.append(
            Site(
                "neuron",
                sizes[layer + 1],
                len(operations) - 1,
                ((weight, 0), (bias, 0)),
                ((f"coefs_{layer + 1}", 1, 1),),
            )
        )
    return Graph(tuple(operations), tuple(sites))


def living_layers(coefs, intercepts, activation):
    """The layers without the hidden units that are not made or not read.

    Coefficients are (n_in, n_out), as scikit-learn has them. The function stays the same,
    and each hidden layer keeps at least one unit. The logistic function makes 0.5 of
    nothing.
    """
    coefs, intercepts = list(coefs), list(intercepts)
    changed = True
    while changed:
        changed = False
        for layer in range(len(coefs) - 1):
            alive = coefs[layer + 1].any(axis=1)
            if activation != "logistic":
                alive &= coefs[layer].any(axis=0) | (intercepts[layer] != 0)
            if not alive.any():
                alive[0] = True
            if not alive.all():
                changed = True
                coefs[layer] = coefs[layer][:, alive]
                intercepts[layer] = intercepts[layer][alive]
                coefs[layer + 1] = coefs[layer + 1][alive]
    return coefs, intercepts


def _without_moving(model, X, y, **fit_params):
    """Fit a model whose parameters stay those that it draws first."""
    params = model.get_params(deep=False)
    model.set_params(
        solver="sgd",
        learning_rate_init=1e-300,
        max_iter=1,
        early_stopping=False,
        batch_size="auto",
        verbose=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y, **fit_params)
    drop_optimizer(model)
    model.n_iter_ = 0
    return model.set_params(**params)


def _values_of(layers):
    values = {}
    for layer, (coefs, intercepts) in enumerate(layers):
        values[f"coefs_{layer}"] = np.array(coefs.T, order="C")
        values[f"intercepts_{layer}"] = np.array(intercepts)
    return values


def _without_weightless(work, context):
    """The net, which never predicts a class whose rows all weigh nothing.

    Its score is that of another class minus 20, or there is one class to predict.
    """
    weights, y = context.sample_weight, context.target
    if weights is None or not is_classifier(work.model) or y.ndim > 1:
        return work
    counted = np.isin(work.model.classes_, y[weights > 0])
    if counted.all():
        return work
    last = work.graph.operations[-1]
    values, masks = dict(work.values), dict(work.masks)
    weight, bias = values[last.weight].copy(), values[last.bias].copy()
    mask = mask_of(work, last.weight).copy()
    if len(weight) == 1:
        weight[:], mask[:], bias[:] = 0, False, 20 if counted[1] else -20
    else:
        sizes = np.where(counted, mask.sum(axis=1), np.inf)
        like = int(np.argmin(sizes))
        weight[~counted], mask[~counted] = weight[like], mask[like]
        bias[~counted] = bias[like] - 20
    values |= {last.weight: weight, last.bias: bias}
    return replace(work, values=values, masks=masks | {last.weight: mask})


def _targets(model, context):
    """Zeros and ones for classes and labels, or numbers, of shape (n, n_outputs)."""
    if not is_classifier(model):
        return context.target.reshape(-1, model.n_outputs_).astype(np.float64, copy=False)
    return label_binarizer(model).transform(context.target).astype(np.float64)


def _is_multilabel(model):
    return label_binarizer(model).y_type_.startswith("multilabel")


def _filled(template, compact, coefs, intercepts):
    """The template with what `fit` would have set, ready to predict and to go on."""
    template.coefs_ = [np.array(part, order="C") for part in coefs]
    template.intercepts_ = [np.array(part) for part in intercepts]
    template.set_params(hidden_layer_sizes=tuple(map(len, intercepts[:-1])))
    template.n_layers_ = len(coefs) + 1
    template.n_outputs_ = len(intercepts[-1])
    names = ("n_features_in_", "feature_names_in_", "classes_", "n_iter_", "t_")
    copy_attributes(compact, template, *names)
    template.out_activation_ = compact.output_
    if is_classifier(template):
        if compact.output_ == "sigmoid":
            template.out_activation_ = "logistic"
        labels = compact.classes_
        if compact.multilabel_:
            labels = np.eye(len(labels), dtype=int)
        set_label_binarizer(template, LabelBinarizer().fit(labels))
    if template.solver != "lbfgs":
        ready_to_go_on(template)
        template.loss_curve_ = []
        template.best_loss_ = np.inf
        template.validation_scores_ = template.best_validation_score_ = None
    return template
