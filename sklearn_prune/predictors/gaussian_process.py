"""Gaussian processes as stored points and coefficients; their spread is made on request."""

import warnings
from copy import copy
from operator import matmul

import numpy as np

from .base import Compact
from .kernel import KernelExpansion, pairs_of
from .links import erf
from .quantized import dense

# The logistic function as a sum of error functions: Williams and Barber (1998). Bayesian
# classification with Gaussian processes. IEEE TPAMI 20.
RATES = np.array([0.41, 0.4, 0.37, 0.44, 0.39])[:, None]
SHARES = np.array(
    [-1854.8214151, 3516.89893646, 221.29346712, 128.12323805, -2010.49422654]
)[:, None]


class CompactProcess(KernelExpansion):
    """The mean of a Gaussian process.

    The spread needs the factor of the kernel matrix of all training rows. It is not
    stored: the first `predict` that asks for it makes it again from the points, O(n**3),
    and it stays with the object but not with its pickle. With fewer points than rows,
    `spread_` is the factor of the precision matrix of their coefficients, of n_points *
    (n_points + 1) / 2 numbers, which the mean does not read.
    """

    _accept_sparse = ()
    spread_, exponent_ = None, 1.0

    def predict(self, X, return_std=False, return_cov=False):
        """Predict the mean, and the spread where asked for.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        return_std, return_cov : bool, default=False
            Whether to return the standard deviation, or the covariance, as well.

        Returns
        -------
        mean : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Mean of the process.
        spread : ndarray
            Standard deviations of the shape of the mean, or a covariance of shape
            (n_samples, n_samples) or (n_samples, n_samples, n_outputs).
        """
        if return_std and return_cov:
            raise RuntimeError("At most one of return_std or return_cov can be requested.")
        sums = self._sums(X, matmul) + self.offsets_
        mean = sums.ravel() if self.flat_ else sums
        if not return_std and not return_cov:
            return mean
        if not self.whole_:
            return mean, self._deviations(X, return_cov)
        from scipy.linalg import cholesky, solve_triangular

        X = self._check(X)
        kernel, points = self.kernel_, np.asarray(self.points_, dtype=np.float64)
        factor = self.__dict__.get("_factor")
        if factor is None:
            matrix = kernel.within(points)
            matrix[np.diag_indices_from(matrix)] += self.noise_
            factor = self._factor = cholesky(matrix, lower=True, check_finite=False)
        part = solve_triangular(factor, kernel(X, points).T, lower=True, check_finite=False)
        if return_cov:
            spread = np.multiply.outer(kernel.within(X) - part.T @ part, self.scale_**2)
            return mean, spread[..., 0] if self.flat_ else spread
        variance = kernel.diag(X) - np.einsum("ij,ij->j", part, part)
        if np.any(variance < 0):
            warnings.warn(
                "Predicted variances smaller than 0. Setting those variances to 0.",
                stacklevel=2,
            )
            variance = np.maximum(variance, 0)
        spread = np.sqrt(np.multiply.outer(variance, self.scale_**2))
        return mean, spread[:, 0] if self.flat_ else spread

    def _deviations(self, X, return_cov):
        """Standard deviations from fewer points than rows."""
        if return_cov or self.spread_ is None:
            what = "return_cov needs" if return_cov else "return_std of this form needs"
            raise ValueError(
                f"{what} all training rows, and some are pruned. "
                "Write keep=1.0 and quantize=None, which keeps them."
            )
        from scipy.linalg import solve_triangular

        X = self._check(X)
        kernel, points = self.kernel_, np.asarray(self.points_, dtype=np.float64)
        factors = self.__dict__.get("_factor")
        if factors is None:
            posterior = np.zeros((len(points), len(points)))
            posterior[np.tril_indices(len(points))] = self.spread_
            factors = self._factor = cholesky_of(kernel(points, points.copy())), posterior
        cross = kernel(X, points).T
        known, left = (
            (solve_triangular(factor, cross, lower=True, check_finite=False) ** 2).sum(0)
            for factor in factors
        )
        some = X[:1]
        white = float(kernel.within(some)[0, 0] - kernel(some, some.copy())[0, 0])
        prior = kernel.diag(X) - white
        ratio = np.clip(1 - (known - left) / np.maximum(prior, 1e-300), 0, 1)
        variance = prior * ratio**self.exponent_ + white
        spread = np.sqrt(np.multiply.outer(variance, self.scale_**2))
        return spread[:, 0] if self.flat_ else spread

    def quantized(self, quantizer):
        """A copy with rounded points and coefficients, which has no spread."""
        small = super().quantized(quantizer)
        small.whole_, small.spread_, small.exponent_ = False, None, 1.0
        return small


def cholesky_of(matrix):
    """Lower factor of a positive semi-definite matrix, damped until it exists."""
    damping = 1e-12 * np.trace(matrix) / len(matrix) + 1e-300
    diagonal = np.diag_indices_from(matrix)
    matrix = matrix.copy()
    while True:
        matrix[diagonal] += damping
        try:
            return np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            damping *= 10


class LatentProcess(KernelExpansion):
    """The latent function of one binary problem, Laplace's approximation.

    Its coefficients are the labels less the probabilities at the mode, so that the
    curvature of the likelihood can be read off them.
    """

    _accept_sparse = ()

    def mean(self, X):
        """Mean of the latent function."""
        return self._sums(X, matmul).ravel()

    def probability(self, X):
        """Probability of the second class."""
        kernel, points = self.kernel_, np.asarray(dense(self.points_), dtype=np.float64)
        size = np.abs(np.asarray(dense(self.coefficients_), dtype=np.float64)).ravel()
        root = np.sqrt(np.clip(size * (1 - size), 0, None))
        inverse = self.__dict__.get("_factor")
        if inverse is None:
            matrix = root[:, None] * kernel.within(points) * root
            matrix[np.diag_indices_from(matrix)] += 1.0
            inverse = self._factor = np.linalg.inv(np.linalg.cholesky(matrix))
        cross = kernel(X, points)
        mean = cross @ np.asarray(dense(self.coefficients_)).ravel()
        part = inverse @ (root[:, None] * cross.T)
        variance = kernel.diag(X) - np.einsum("ij,ij->j", part, part)
        rate = 1 / (2 * variance)
        turned = RATES * mean
        parts = (
            np.sqrt(np.pi / rate)
            * erf(turned * np.sqrt(rate / (rate + RATES**2)))
            / (2 * np.sqrt(variance * 2 * np.pi))
        )
        return (SHARES * parts).sum(axis=0) + 0.5 * SHARES.sum()


class CompactProcessClassifier(Compact):
    """Gaussian process classification: one latent function for each class or pair.

    Labels of two classes need the mean only. All else needs a factor for each function,
    made at the first request, O(n**3), and not pickled.
    """

    _accept_sparse = ()

    def predict(self, X):
        """Predict class labels."""
        X = self._check(X)
        n_classes = len(self.classes_)
        if n_classes == 2:
            first, second = self.classes_
            return np.where(self.members_[0].mean(X) > 0, second, first)
        if not self.pairwise_:
            found = np.stack([member.probability(X) for member in self.members_], axis=1)
            return self.classes_.take(found.argmax(axis=1))
        labels = np.stack([member.mean(X) > 0 for member in self.members_], axis=1)
        sure = np.stack([member.probability(X) for member in self.members_], axis=1)
        signs = pairs_of(n_classes)[2]
        sums = -sure @ signs
        votes = np.where(labels, -0.5, 0.5) @ signs + (n_classes - 1) / 2
        scores = votes + sums / (3 * (np.abs(sums) + 1))
        return self.classes_.take(scores.argmax(axis=1))

    def predict_proba(self, X):
        """Class probabilities; a ValueError where the classes are compared in pairs."""
        if self.pairwise_:
            raise ValueError(
                "one_vs_one multi-class mode does not support predicting probability "
                "estimates. Use one_vs_rest mode instead."
            )
        X = self._check(X)
        found = np.stack([member.probability(X) for member in self.members_], axis=1)
        if len(self.classes_) == 2:
            return np.hstack([1 - found, found])
        return found / found.sum(axis=1, keepdims=True)

    def quantized(self, quantizer):
        """A copy with rounded members."""
        small = copy(self)
        small.members_ = [member.quantized(quantizer) for member in self.members_]
        return small

    def _stored(self):
        points = {id(member.points_): member.points_ for member in self.members_}
        for values in points.values():
            yield np.asarray(dense(values))
        for member in self.members_:
            yield np.asarray(dense(member.coefficients_))
