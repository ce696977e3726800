"""Transformers that give columns another distribution."""

import math

import numpy as np

from ..frames import CSR, FLOATS, is_sparse
from ..quantized import need
from .base import CompactTransformer


class CompactPowerTransformer(CompactTransformer):
    """PowerTransformer: powers of Yeo and Johnson or of Box and Cox, standardised."""

    _allow_nan = True
    _attributes = ("method", "lambdas_")

    @classmethod
    def of(cls, fitted):
        """The form of a fitted PowerTransformer."""
        from .scaling import CompactStandardScaler

        made = super().of(fitted)
        made.scaler = None
        if fitted.standardize:
            made.scaler = CompactStandardScaler.of(fitted._scaler)
        return made

    def check_attributes(self):
        """Raise ValueError unless there is a power for each column."""
        need(len(self.lambdas_) == self.n_features_in_, "lambdas_")
        need(self.scaler is None or hasattr(self.scaler, "scale_"), "scaler")

    def _apply(self, X):
        X = self._ready(X, FLOATS, finite="allow-nan")
        if self.method == "box-cox" and (X <= 0).any():
            raise ValueError(
                "The Box-Cox transformation can only be applied to strictly positive data. "
                f"Got {np.nanmin(X)}. Fit method='yeo-johnson'."
            )
        power = _box_cox if self.method == "box-cox" else _yeo_johnson
        found = np.empty_like(X)
        with np.errstate(invalid="ignore"):
            for at, own in enumerate(self.lambdas_):
                found[:, at] = power(X[:, at], own)
        return found if self.scaler is None else self.scaler._apply(found)


def _box_cox(values, power):
    """As scipy computes it, by the functions of the C library."""
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    found = []
    for value in values.tolist():
        if value != value:
            found.append(value)
            continue
        log = math.log(value)
        if abs(power) < 1e-19:
            found.append(log)
        elif power * log < 709.78:
            found.append(math.expm1(power * log) / power)
        else:
            found.append(
                math.copysign(1.0, power) * math.exp(log * power - math.log(abs(power)))
                - 1 / power
            )
    return np.array(found)


def _yeo_johnson(values, power):
    found = np.zeros(len(values), np.result_type(values, power))
    tiny = np.finfo(found.dtype).eps
    above = values >= 0
    logs = np.log1p(values[above])
    found[above] = logs if abs(power) < tiny else np.expm1(power * logs) / power
    logs, rest = np.log1p(-values[~above]), 2 - power
    found[~above] = -np.expm1(rest * logs) / rest if abs(rest) > tiny else -logs
    return found


class CompactQuantileTransformer(CompactTransformer):
    """QuantileTransformer to a uniform distribution: the rank of a value, from 0 to 1."""

    _sparse = _allow_nan = True
    _attributes = ("quantiles_", "references_", "ignore_implicit_zeros")

    @classmethod
    def reason(cls, fitted):
        """The normal distribution needs functions of scipy."""
        found = fitted.output_distribution
        return None if found == "uniform" else f"output_distribution={found!r}"

    def check_attributes(self):
        """Raise ValueError unless there are quantiles for each column."""
        shape = (len(self.references_), self.n_features_in_)
        need(len(self.references_) > 0 and self.quantiles_.shape == shape, "quantiles_")

    def _apply(self, X):
        X = self._ready(X, FLOATS, finite="allow-nan")
        if not is_sparse(X):
            found = np.empty_like(X)
            for at in range(X.shape[1]):
                found[:, at] = self._ranks(X[:, at], at)
            return found
        if not self.ignore_implicit_zeros and (X.data < 0).any():
            raise ValueError(
                "QuantileTransformer only accepts non-negative sparse matrices. Got "
                f"{X.data.min()}. Write X.toarray()."
            )
        data = X.data.copy()
        for at in np.flatnonzero(np.bincount(X.indices, minlength=X.shape[1])):
            own = X.indices == at
            data[own] = self._ranks(data[own], at)
        return CSR(data, X.indices, X.indptr, X.shape)

    def _ranks(self, values, at):
        """The mean of interpolations from both ends, which differ where values repeat."""
        quantiles, ranks, found = self.quantiles_[:, at], self.references_, values.copy()
        there = ~np.isnan(values)
        own = values[there]
        up = np.interp(own, quantiles, ranks)
        down = np.interp(-own, -quantiles[::-1], -ranks[::-1])
        found[there] = 0.5 * (up - down)
        found[values == quantiles[-1]] = 1
        found[values == quantiles[0]] = 0
        return found
