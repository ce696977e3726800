"""Boosted trees as ONNX operators."""

import numpy as np

from sklearn_prune.persistence.export.onnx.linear import two_columns
from sklearn_prune.persistence.export.onnx.rows import Rows
from sklearn_prune.persistence.export.onnx.trees import tree_sums
from sklearn_prune.persistence.export.onnx.writer import Writer
from sklearn_prune.predictors import TINY


class _Boosting(Writer):
    def _input(self, rows):
        compact, graph = self.compact, self.graph
        if compact.categories_ is not None:
            if len(rows.values) > 1:
                rows = self._coded(rows)
            elif compact.dialect.encodes_arrays:
                rows = self._coded(
                    Rows(
                        [
                            rows.array().take([n], axis=1)
                            for n in range(compact.n_features_in_)
                        ]
                    )
                )
        X = rows.array()
        if compact.dialect.float32:
            X = X.cast(np.float32)
        if not np.isnan(compact.missing_):
            X = graph.where(X.equals(float(compact.missing_)), np.float32(np.nan), X)
        X = X.cast(np.float64 if compact.dialect.tiny_is_zero else X.dtype)
        zeros = compact.zeros_missing_
        if zeros is not None:
            small = X.abs() <= TINY
            mask = np.zeros(compact.n_features_in_, dtype=bool)
            mask[zeros] = True
            missing = graph.node("And", [small, graph.constant(mask)], dtype=bool)
            X = graph.where(missing, np.float64(np.nan), X)
        if compact.dialect.tiny_is_zero:
            X = graph.where(X.abs() <= TINY, np.float64(0.0), X)
        return X

    def _coded(self, rows):
        """Positions of categories in place of their values."""
        values = [
            self._positions(value, self.compact.categories_[number])
            if number in self.compact.categories_
            else value
            for number, value in enumerate(rows.values)
        ]
        return Rows([value.as_float().cast(np.float64) for value in values])

    def _positions(self, value, categories):
        """Position of each entry of a column among the categories, NaN for others."""
        graph = self.graph
        known = [each for each in np.asarray(categories).tolist() if each == each]
        if value.dtype.kind in "OU":
            places = [
                place
                for place, each in enumerate(np.asarray(categories).tolist())
                if each == each
            ]
            return graph.node(
                "LabelEncoder",
                [value],
                dtype=np.float32,
                domain="ai.onnx.ml",
                keys_strings=[str(each) for each in known],
                values_floats=[float(place) for place in places],
                default_float=float("nan"),
            )
        if any(isinstance(each, str) for each in known):
            raise TypeError(
                "A column of categories must have the type that it had in fit. Got numbers "
                f"for the categories {known[:3]}. Pass rows with strings."
            )
        keys = np.asarray(categories, dtype=np.float64)
        value = value.as_float().cast(np.float64)
        same = value.equals(keys[None, :]).cast(np.float64)
        place = same.argmax().cast(np.float64).as_column()
        found = same.max(1, keepdims=True) > 0.0
        return graph.where(found, place, np.float64(np.nan))

    def _raw(self, rows):
        trees, start = self.compact.trees_, self.compact.start_
        return tree_sums(self.graph, trees, self._input(rows), start)

    def _values(self, raw):
        compact = self.compact
        link = compact.link_
        if compact.divisor_ != 1:
            raw = raw / float(compact.divisor_)
        if link == "identity":
            return raw
        if link == "log":
            return raw.exp()
        if link == "sqrt":
            return raw.unary("Sign") * raw * raw
        if link == "log1p":
            return (raw.exp() + 1.0).log()
        if link == "softmax":
            return raw.softmax()
        return (raw if compact.slope_ == 1.0 else raw * float(compact.slope_)).expit()

    def predict(self, rows):
        compact = self.compact
        raw = self.ask(compact, "_raw", rows)
        if not hasattr(compact, "classes_"):
            return self._values(raw).ravel()
        codes = self._codes(raw)
        if compact.dialect.predicts_codes:
            return codes.cast(np.int64)
        return self.labels(codes)

    def _codes(self, raw):
        dialect = self.compact.dialect
        scores, middle = (
            (raw, 0.0) if dialect.decides_by_scores else (self._values(raw), 0.5)
        )
        if len(self.compact.start_) > 1:
            return scores.argmax()
        scores = scores.ravel()
        return scores >= middle if dialect.zero_is_positive else scores > middle

    def predict_proba(self, rows):
        raw = self.ask(self.compact, "_raw", rows)
        if len(self.compact.start_) > 1:
            return self._values(raw)
        return two_columns(self.graph, self._values(raw.ravel()))

    def decision_function(self, rows):
        raw = self.ask(self.compact, "_raw", rows)
        return raw.ravel() if len(self.compact.start_) == 1 else raw


WRITERS = {"CompactBoosting": _Boosting}
