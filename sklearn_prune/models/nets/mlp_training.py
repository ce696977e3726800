"""Training of multilayer perceptrons under a mask."""

from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, gen_batches, shuffle

from sklearn_prune.models.nets.mlp_passes import Layers, MlpPasses, outputs_of

_CUTTING = 0.6  # share of the updates over which cuts are spread
_ITERATIONS = 10  # of L-BFGS, before its objective may change


@dataclass(frozen=True)
class MlpRows:
    """Rows to train on.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
        Inputs.
    targets : ndarray of shape (n_samples, n_outputs)
        Probabilities of classes or labels, or numbers: what the loss compares with.
    weights : ndarray of shape (n_samples,) or None
        Of the rows.
    truth : ndarray of shape (n_samples, n_outputs) or None
        What early stopping compares with; None is `targets`.
    """

    X: object
    targets: np.ndarray
    weights: np.ndarray | None = None
    truth: np.ndarray | None = None

    def take(self, rows):
        """Some of the rows."""
        parts = (self.targets, self.weights, self.truth)
        parts = (None if part is None else part[rows] for part in parts)
        return MlpRows(self.X[rows], *parts)

    def taught(self, outputs, share):
        """The same rows, with the outputs of another net mixed into the targets."""
        mixed = (1 - share) * self.targets + share * outputs
        return replace(self, targets=mixed, truth=self.targets)


@dataclass(frozen=True)
class TrainingPlan:
    """What is done beside the updates.

    Parameters
    ----------
    cuts : sequence of callable
        Each makes of a working form one with smaller masks. The k-th of n is called after
        update ``floor(0.6 * n_updates * k / n)``; training does not stop by itself before
        the last.
    shrink : callable or None
        ``shrink(name, weight, n_updates)`` replaces each weight, of shape (n_out, n_in),
        after each update. Training then takes as many epochs as the net had, at most
        those that `max_iter` allows.
    dropout : float
        Probability that a hidden unit is dropped in a row of an update.
    dropout_seed : int or None
        Seed of which.
    """

    cuts: tuple = ()
    shrink: object = None
    dropout: float = 0.0
    dropout_seed: int | None = None


def train_masked(work, model, loss, rows, plan=None):
    """Train what the masks leave, with the parameters of a model.

    Without masks and from the parameters that `fit` draws first, it does what the `fit`
    of scikit-learn does, draws included. The epochs (iterations, for L-BFGS) are added to
    those of `work`. ValueError if the parameters become infinite or NaN.
    """
    plan = TrainingPlan() if plan is None else plan
    run = _Run(work, model, loss, plan)
    rows = run.in_own_dtype(rows)
    if model.solver == "lbfgs":
        n_epochs = _train_at_once(run, rows)
    else:
        n_epochs = _train_by_batches(run, rows)
    return run.finished(n_epochs)


class _Run:
    """The parameters of one training with their masks, and the cuts still to come."""

    def __init__(self, work, model, loss, plan):
        self.work, self.model, self.loss, self.plan = work, model, loss, plan
        self.layers = Layers.of(work.values)
        self.n_epochs = int(model.max_iter)
        if plan.shrink is not None:
            self.n_epochs = min(self.n_epochs, max(1, work.n_epochs))
        self._take_masks(work.masks)

    def in_own_dtype(self, rows):
        """The rows in the precision of the parameters."""
        parts = (rows.X, rows.targets, rows.weights, rows.truth)
        dtype = self.layers.flat.dtype
        return MlpRows(
            *(None if part is None else part.astype(dtype, copy=False) for part in parts)
        )

    def passes(self, n_rows):
        """Passes on the parameters, with room for some rows."""
        plan = self.plan
        generator = np.random.default_rng(plan.dropout_seed) if plan.dropout else None
        activation = self.model.activation
        return MlpPasses(
            self.layers, activation, self.loss, n_rows, plan.dropout, generator
        )

    def generator(self):
        """The model's random numbers, after those from which `fit` makes parameters."""
        generator = check_random_state(deepcopy(self.model.random_state))
        generator.random_sample(self.layers.flat.size)
        return generator

    def promise(self, n_updates):
        """Spread the cuts over the first of so many updates."""
        n_cuts = len(self.plan.cuts)
        self.n_updates = n_updates
        self.cuts_at = [
            int(_CUTTING * n_updates * number / n_cuts) for number in range(1, n_cuts + 1)
        ]
        self.after_update(0)

    @property
    def may_stop(self):
        """Whether nothing speaks against ending early."""
        return not self.cuts_at and self.plan.shrink is None

    def after_update(self, n_done):
        """Shrink, mask, and cut what is due after an update."""
        if self.plan.shrink is not None and n_done:
            for name, weight in self.layers.named():
                if weight.ndim > 1:
                    weight[...] = self.plan.shrink(name, weight, self.n_updates)
        if self._left is not None:
            self.layers.flat *= self._left
        while self.cuts_at and self.cuts_at[0] <= n_done:
            self.cut()

    def cut(self):
        """Make the next cut."""
        number = len(self.plan.cuts) - len(self.cuts_at)
        self.cuts_at.pop(0)
        smaller = self.plan.cuts[number](self._now(self.work.n_epochs))
        self.layers.load(smaller.values)
        self._take_masks(smaller.masks)

    def finished(self, n_epochs):
        """The trained working form, with the cuts that were not reached."""
        while self.cuts_at:
            self.cut()
        if not np.isfinite(self.layers.flat).all():
            raise ValueError(
                "Training must end with finite parameters. Got infinite ones or NaN. "
                "Scale the features, or write a smaller learning_rate_init."
            )
        return self._now(self.work.n_epochs + n_epochs)

    def _now(self, n_epochs):
        values = {**self.work.values, **self.layers.values()}
        return replace(self.work, values=values, masks=self.masks, n_epochs=n_epochs)

    def _take_masks(self, masks):
        self.masks = masks
        left = Layers(self.layers.sizes, self.layers.flat.dtype)
        left.flat[:] = 1
        left.load(masks)
        self._left = None if left.flat.all() else left.flat
        if self._left is not None:
            self.layers.flat *= self._left

    @property
    def movable(self):
        """What the masks leave of the parameters."""
        if self._left is None:
            return np.ones(self.layers.flat.size, dtype=bool)
        return self._left > 0


def _train_by_batches(run, rows):
    """Stochastic updates; returns the number of epochs."""
    model, generator = run.model, run.generator()
    training, validation = _split(rows, model, run.loss, generator)
    n_rows = training.X.shape[0]
    batch_size = 200 if model.batch_size == "auto" else int(model.batch_size)
    batch_size = min(batch_size, n_rows)
    batches = list(gen_batches(n_rows, batch_size))
    passes = run.passes(batch_size)
    optimizers = {"sgd": MomentumOptimizer, "adam": AdamOptimizer}
    optimizer = optimizers[model.solver](run.layers.flat, model)
    progress, best = _Progress(model), None
    order = np.arange(n_rows)
    run.promise(run.n_epochs * len(batches))
    for epoch in range(run.n_epochs):
        if model.shuffle:
            order = shuffle(order, random_state=generator)
        loss = 0.0
        for number, batch in enumerate(batches, start=epoch * len(batches) + 1):
            some = training.take(order[batch] if model.shuffle else batch)
            if some.weights is None or some.weights.any():
                passes.draw_dropout()
                found = passes.loss_and_gradient(
                    some.X, some.targets, some.weights, float(model.alpha)
                )
                loss += found * (batch.stop - batch.start)
                optimizer.update(passes.gradient.flat)
            run.after_update(number)
        if run.may_stop:
            value = loss / n_rows if validation is None else -_score(run, validation)
            if progress.follow(value) and validation is not None:
                best = run.layers.flat.copy()
        optimizer.end_epoch((epoch + 1) * n_rows)
        if progress.is_stalled():
            if not optimizer.slow_down():
                break
            progress.n_idle = 0
    if best is not None:
        run.layers.flat[:] = best
    return epoch + 1


def _train_at_once(run, rows):
    """L-BFGS on all rows; returns the number of iterations.

    It starts anew after each cut. Under dropout or shrinkage it starts anew every few
    iterations: the dropped units are fixed while it runs.
    """
    model, plan = run.model, run.plan
    passes = run.passes(rows.X.shape[0])
    restless = plan.shrink is not None or plan.dropout > 0
    parts = (rows.X, rows.targets, rows.weights)
    n_done, n_fun = 0, int(model.max_fun)
    run.promise(run.n_epochs)
    while n_done < run.n_epochs and n_fun > 0:
        n_next = min([run.n_epochs, *run.cuts_at[:1]]) - n_done
        if restless:
            n_next = min(n_next, _ITERATIONS)
            passes.draw_dropout()
        n_iter, used, ended = minimise_kept(
            passes, run.movable, parts, model, n_next, n_fun
        )
        n_fun -= used
        for number in range(n_done, n_done + (n_next if restless else n_iter)):
            run.after_update(number + 1)
        n_done += n_next if restless else n_iter
        if ended and not restless:
            if not run.cuts_at:
                break
            run.cut()
    return n_done


def _split(rows, model, loss, generator):
    """Rows to train on and rows that say when to stop, or None, as scikit-learn splits."""
    if not model.early_stopping:
        return rows, None
    truth = rows.targets if rows.truth is None else rows.truth
    one_label = loss == "binary_log_loss" and truth.shape[1] == 1
    training, validation = train_test_split(
        np.arange(len(truth)),
        random_state=generator,
        test_size=model.validation_fraction,
        stratify=truth if one_label else None,
    )
    return rows.take(training), rows.take(validation)


def _score(run, rows):
    """Accuracy or R2 on some rows."""
    truth = rows.targets if rows.truth is None else rows.truth
    outputs = outputs_of(run.layers, run.model.activation, run.loss, rows.X)
    if run.loss == "log_loss":
        truth, outputs = truth.argmax(axis=1), outputs.argmax(axis=1)
    elif run.loss == "binary_log_loss":
        truth, outputs = (truth > 0.5).astype(int), (outputs > 0.5).astype(int)
    elif not np.isfinite(outputs).all():
        return np.nan
    score = accuracy_score if "log_loss" in run.loss else r2_score
    return score(truth, outputs, sample_weight=rows.weights)


class _Progress:
    """Whether epochs still bring something, counted as scikit-learn counts."""

    def __init__(self, model):
        self.tol, self.patience = model.tol, model.n_iter_no_change
        self.best, self.n_idle = np.inf, 0

    def follow(self, value):
        """Count an epoch; True if its value, loss or negative score, is the best."""
        self.n_idle = self.n_idle + 1 if value > self.best - self.tol else 0
        if value < self.best:
            self.best = value
            return True
        return False

    def is_stalled(self):
        """Whether there was none for too long."""
        return self.n_idle > self.patience


class MomentumOptimizer:
    """Stochastic gradient descent with momentum.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,)
        The vector that is changed.
    model : MLPClassifier or MLPRegressor
        Its parameters hold.
    """

    def __init__(self, parameters, model):
        self.parameters, self.model = parameters, model
        self.learning_rate = float(model.learning_rate_init)
        self._velocity = np.zeros_like(parameters)
        self._scratch = np.empty_like(parameters)

    def update(self, gradient):
        """Take one step; the gradient is overwritten."""
        momentum = float(self.model.momentum)
        gradient *= self.learning_rate
        self._velocity *= momentum
        self._velocity -= gradient
        step = self._velocity
        if self.model.nesterovs_momentum:
            step = np.multiply(self._velocity, momentum, out=self._scratch)
            step -= gradient
        self.parameters += step

    def end_epoch(self, n_rows_seen):
        """Follow the schedule of the learning rate."""
        if self.model.learning_rate == "invscaling":
            start = float(self.model.learning_rate_init)
            self.learning_rate = start / (n_rows_seen + 1) ** float(self.model.power_t)

    def slow_down(self):
        """Lower the learning rate; False where it ends training instead."""
        if self.model.learning_rate != "adaptive" or self.learning_rate <= 1e-6:
            return False
        self.learning_rate /= 5.0
        return True


class AdamOptimizer:
    """Adam [1]_.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,)
        The vector that is changed.
    model : MLPClassifier or MLPRegressor
        Its parameters hold.

    References
    ----------
    .. [1] Kingma, Ba (2015). Adam: a method for stochastic optimization. ICLR.
    """

    def __init__(self, parameters, model):
        self.parameters, self.model = parameters, model
        self._n_updates = 0
        self._mean = np.zeros_like(parameters)
        self._square = np.zeros_like(parameters)
        self._scratch = np.empty_like(parameters)

    def update(self, gradient):
        """Take one step; the gradient is overwritten."""
        beta_1, beta_2 = float(self.model.beta_1), float(self.model.beta_2)
        self._n_updates += 1
        rate = float(self.model.learning_rate_init)
        rate *= float(np.sqrt(1 - beta_2**self._n_updates) / (1 - beta_1**self._n_updates))
        self._mean *= beta_1
        self._mean += np.multiply(gradient, 1 - beta_1, out=self._scratch)
        self._square *= beta_2
        gradient *= gradient
        gradient *= 1 - beta_2
        self._square += gradient
        np.sqrt(self._square, out=gradient)
        gradient += float(self.model.epsilon)
        step = np.divide(self._mean, gradient, out=gradient)
        step *= rate
        self.parameters -= step

    def end_epoch(self, n_rows_seen):
        """Nothing: the learning rate follows the updates."""

    def slow_down(self):
        """False: training ends."""
        return False


def minimise_kept(passes, kept, rows, model, max_iter, max_fun):
    """Run L-BFGS over the parameters that are left.

    The parameters of `passes` are changed in place where `kept` is True. `rows` are X,
    targets and weights. Returns the iterations and evaluations that were used, and whether
    it ended by itself, before the limits.
    """
    where = slice(None) if kept.all() else kept
    flat, gradient = passes.layers.flat, passes.gradient.flat

    def objective(parameters):
        flat[where] = parameters
        loss = passes.loss_and_gradient(*rows, model.alpha)
        return loss, gradient[where].astype(np.float64)

    found = minimize(
        objective,
        flat[where].astype(np.float64),
        method="L-BFGS-B",
        jac=True,
        options={"maxiter": max_iter, "maxfun": max_fun, "gtol": float(model.tol)},
    )
    flat[where] = found.x
    return found.nit, found.nfev, found.status != 1
