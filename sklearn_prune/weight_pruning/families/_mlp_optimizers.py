"""Updates of a vector of parameters as scikit-learn's solvers make them, in place."""

import numpy as np
from scipy.optimize import minimize


class MomentumOptimizer:
    """Stochastic gradient descent with momentum.

    Parameters
    ----------
    parameters : ndarray of shape (n_parameters,)
        The vector that is changed.
    model : MLPClassifier or MLPRegressor
        Its settings hold.
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
        Its settings hold.

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


def minimise_kept(network, kept, rows, model, max_iter, max_fun):
    """Run L-BFGS over the parameters that are left.

    Parameters
    ----------
    network : Network
        Its parameters are changed in place.
    kept : ndarray of shape (n_parameters,), bool
        Those that may move.
    rows : tuple of (X, targets, weights)
        All rows.
    model : MLPClassifier or MLPRegressor
        Its `alpha` and `tol` hold.
    max_iter, max_fun : int
        Limits on iterations and evaluations.

    Returns
    -------
    n_iter, n_fun : int
        What was used of them.
    ended : bool
        Whether it ended by itself, before the limits.
    """
    where = slice(None) if kept.all() else kept
    flat, gradient = network.layers.flat, network.gradient.flat

    def objective(parameters):
        flat[where] = parameters
        loss = network.loss_and_gradient(*rows, model.alpha)
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
