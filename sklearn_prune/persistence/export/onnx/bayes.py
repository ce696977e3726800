"""Naive Bayes and discriminant analysis as ONNX operators."""

import numpy as np

from sklearn_prune.persistence.export.onnx.linear import two_columns
from sklearn_prune.persistence.export.onnx.writer import Writer


class _Scores(Writer):
    def codes(self, rows):
        return self.ask(self.compact, "scores", rows).argmax()

    def predict_log_proba(self, rows):
        scores = self.ask(self.compact, "scores", rows)
        return scores.unary("LogSoftmax", axis=-1)

    def predict_proba(self, rows):
        return self.ask(self.compact, "scores", rows).softmax()


class _Gaussian(_Scores):
    def scores(self, rows):
        compact = self.compact
        X = rows.array().cast(self.graph.float)
        squares = []
        for mean, variance in zip(compact.theta_, compact.var_, strict=True):
            offset = X - mean
            squares.append((offset * offset / variance).sum(1))
        return self.graph.stack(squares) * -0.5 + compact.constants_


class _LogLinear(_Scores):
    def scores(self, rows):
        compact = self.compact
        X = rows.array().cast(self.graph.float)
        if compact.threshold_ is not None:
            X = (float(compact.threshold_) < X).cast(X.dtype)
        weights = self.rounded(compact.weights_, X.dtype).transpose(1, 0)
        return X @ weights + compact.constants_


class _Categorical(_Scores):
    def scores(self, rows):
        """Sums over the columns; a category beyond those of fit is the runtime's error."""
        compact, graph = self.compact, self.graph
        table = self.rounded(compact.table_)
        X = rows.array().cast(np.int64)
        starts = np.cumsum(compact.n_categories_) - compact.n_categories_
        total = None
        for number, (start, n_own) in enumerate(
            zip(starts, compact.n_categories_, strict=True)
        ):
            own = table.take(np.arange(start, start + n_own))
            code = X.column(number)
            code = graph.where(code < np.int64(0), graph.constant(np.int64(n_own)), code)
            found = own.take(code)
            total = found if total is None else total + found
        return total + compact.constants_


class _Quadratic(_Scores):
    def scores(self, rows):
        compact, graph = self.compact, self.graph
        X = rows.array().cast(graph.float)
        squares, volumes = [], []
        for mean, rotation, scaling in compact._per_class():
            part = (X - mean) @ (rotation * scaling**-0.5)
            squares.append((part * part).sum(1))
            volumes.append(np.sum(np.log(scaling)))
        constants = -0.5 * np.array(volumes) + np.log(compact.priors_)
        return graph.stack(squares) * -0.5 + constants

    def decision_function(self, rows):
        scores = self.ask(self.compact, "scores", rows)
        if len(self.compact.classes_) == 2:
            return scores.column(1) - scores.column(0)
        return scores


class _Discriminant(Writer):
    def decision_function(self, rows):
        X = rows.array().cast(self.graph.float)
        weights = self.rounded(self.compact.coef_, X.dtype).transpose(1, 0)
        scores = X @ weights + self.compact.intercept_
        return scores.ravel() if np.size(self.compact.intercept_) == 1 else scores

    def codes(self, rows):
        scores = self.ask(self.compact, "decision_function", rows)
        return scores > 0.0 if scores.ndim == 1 else scores.argmax()

    def predict_proba(self, rows):
        scores = self.ask(self.compact, "decision_function", rows)
        if scores.ndim == 1:
            return two_columns(self.graph, scores.expit())
        return scores.softmax()


WRITERS = {
    "CompactGaussian": _Gaussian,
    "CompactLogLinear": _LogLinear,
    "CompactCategorical": _Categorical,
    "CompactQuadratic": _Quadratic,
    "CompactDiscriminant": _Discriminant,
}
