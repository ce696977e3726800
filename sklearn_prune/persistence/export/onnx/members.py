"""Predictors made of several others as ONNX operators."""

from functools import partialmethod

import numpy as np

from sklearn_prune.persistence.export.onnx.containers import score, single
from sklearn_prune.persistence.export.onnx.rows import Rows, squared_distances
from sklearn_prune.persistence.export.onnx.writer import Writer
from sklearn_prune.predictors import pairs


class _Binary(Writer):
    def _scores(self, rows):
        compact = self.compact
        return [
            score(self, member, method, rows)
            for member, method in zip(compact.members_, compact.methods_, strict=True)
        ]


class _OneVsRest(_Binary):
    def predict(self, rows):
        compact = self.compact
        scores = self._scores(rows)
        if compact.target_ == "multiclass":
            return self.labels(self.graph.stack(scores).argmax())
        threshold = compact._threshold()
        if compact.multilabel_:
            found = [(own > threshold).cast(np.int64) for own in scores]
            return self.graph.stack(found)
        codes = (scores[0] > threshold).cast(np.int64)
        return self.labels(codes if len(compact.classes_) > 1 else codes * np.int64(0))

    def predict_proba(self, rows):
        compact, graph = self.compact, self.graph
        columns = [
            self.ask(member, "predict_proba", rows).column(1) for member in compact.members_
        ]
        if len(columns) == 1:
            columns = [1.0 - columns[0], columns[0]]
        found = graph.stack(columns)
        if compact.multilabel_:
            return found
        sums = found.sum(1, keepdims=True)
        return found / graph.where(sums.equals(0.0), graph.value(1.0, like=sums), sums)

    def decision_function(self, rows):
        found = [
            self.ask(member, "decision_function", rows) for member in self.compact.members_
        ]
        if len(found) == 1:
            return found[0]
        return self.graph.stack([each.ravel() for each in found])


class _OneVsOne(_Binary):
    def _votes(self, rows):
        compact, graph = self.compact, self.graph
        n_classes = len(compact.classes_)
        votes, confidences = [0.0] * n_classes, [0.0] * n_classes
        for member, own, (first, second) in zip(
            compact.members_, self._scores(rows), pairs(n_classes), strict=True
        ):
            found = self.ask(member, "predict", rows).cast(np.int64)
            own = own.as_float()
            confidences[first] = -own + confidences[first]
            confidences[second] = own + confidences[second]
            yes = found.equals(np.int64(1)).cast(own.dtype)
            no = found.equals(np.int64(0)).cast(own.dtype)
            votes[first], votes[second] = no + votes[first], yes + votes[second]
        votes, sure = graph.stack(votes), graph.stack(confidences)
        return votes + sure / ((sure.abs() + 1.0) * 3.0)

    def decision_function(self, rows):
        found = self.ask(self.compact, "_votes", rows)
        return found.column(1) if len(self.compact.classes_) == 2 else found

    def codes(self, rows):
        found = self.ask(self.compact, "decision_function", rows)
        if len(self.compact.classes_) == 2:
            return found > self.compact._threshold()
        return found.argmax()


class _OutputCode(_Binary):
    def codes(self, rows):
        book = np.asarray(self.compact.code_book_, dtype=np.float64)
        scores = self.graph.stack(self._scores(rows)).cast(self.graph.float)
        points = self.graph.constant(book.astype(scores.dtype))
        squares = squared_distances(self.graph, scores, points, book.shape[1])
        return self.graph.node(
            "ArgMin", [squares], dtype=np.int64, ndim=1, axis=1, keepdims=0
        )


class _Multi(Writer):
    def predict(self, rows):
        found = [self.ask(member, "predict", rows) for member in self.compact.members_]
        if any(each.dtype.kind in "OU" for each in found):
            axes = self.graph.constant(np.array([1], dtype=np.int64))
            parts = [self.graph.node("Unsqueeze", [each, axes], ndim=2) for each in found]
            return self.graph.node("Concat", parts, axis=1)
        return self.graph.stack(found)

    def predict_proba(self, rows):
        return [self.ask(member, "predict_proba", rows) for member in self.compact.members_]


class _Chain(Writer):
    def _outputs(self, method, rows):
        compact, graph = self.compact, self.graph
        X = rows.array()
        earlier, outputs = [], []
        for member in compact.members_:
            parts = [X, graph.stack(earlier)] if earlier else [X]
            augmented = Rows([graph.concat([part.cast(graph.float) for part in parts])])
            feature = self._output(member, compact.method_, augmented)
            earlier.append(feature)
            if method != compact.method_:
                feature = self._output(member, method, augmented)
            outputs.append(feature)
        return graph.stack([outputs[place] for place in np.argsort(compact.order_)])

    def _output(self, member, method, rows):
        found = self.ask(member, method, rows)
        if method == "predict_proba" and found.ndim > 1:
            found = found.column(1)
        return found.cast(self.graph.float)

    predict = partialmethod(_outputs, "predict")
    predict_proba = partialmethod(_outputs, "predict_proba")
    decision_function = partialmethod(_outputs, "decision_function")


class _Bagged(Writer):
    def _asked(self, rows):
        for member, columns in zip(
            self.compact.members_, self.compact.columns_, strict=True
        ):
            yield member, rows if columns is None else rows.take(columns)

    def _mean(self, method, rows):
        found = [self.ask(member, method, part) for member, part in self._asked(rows)]
        return _total(found) / float(len(found))


class _BaggedRegressor(_Bagged):
    predict = partialmethod(_Bagged._mean, "predict")


class _BaggedClassifier(_Bagged):
    decision_function = partialmethod(_Bagged._mean, "decision_function")

    def codes(self, rows):
        return self.ask(self.compact, "predict_proba", rows).argmax()

    def predict_proba(self, rows):
        n_classes = len(self.compact.classes_)
        found = []
        for member, part in self._asked(rows):
            if not hasattr(member, "predict_proba"):
                found.append(
                    _one_hot(self.graph, self.ask(member, "predict", part), n_classes)
                )
                continue
            own = self.ask(member, "predict_proba", part)
            if len(member.classes_) < n_classes:
                places = np.zeros((len(member.classes_), n_classes))
                places[np.arange(len(places)), member.classes_] = 1.0
                own = own @ places
            found.append(own)
        return _total(found) / float(len(found))


def _total(found):
    total = found[0]
    for each in found[1:]:
        total = total + each
    return total


def _one_hot(graph, codes, n_classes):
    """A one in the column of each code."""
    columns = codes.cast(np.int64).as_column()
    return columns.equals(np.arange(n_classes)).cast(graph.float)


def _weights(compact):
    n_members = len(compact.members_)
    weights = np.ones(n_members) if compact.weights_ is None else compact.weights_
    return np.asarray(weights, dtype=np.float64)


def _average(compact, found):
    weights = _weights(compact)
    weighted = [each * float(weight) for each, weight in zip(found, weights, strict=True)]
    return _total(weighted) / float(weights.sum())


class _VotingRegressor(Writer):
    def predict(self, rows):
        members = self.compact.members_
        return _average(
            self.compact, [single(self.ask(member, "predict", rows)) for member in members]
        )


class _SoftVoting(Writer):
    def codes(self, rows):
        return self.ask(self.compact, "predict_proba", rows).argmax()

    def predict_proba(self, rows):
        members = self.compact.members_
        return _average(
            self.compact, [self.ask(member, "predict_proba", rows) for member in members]
        )


class _HardVoting(Writer):
    def codes(self, rows):
        compact = self.compact
        n_classes = len(compact.classes_)
        votes = [
            _one_hot(self.graph, self.ask(member, "predict", rows), n_classes)
            for member in compact.members_
        ]
        weights = _weights(compact)
        return _total(
            [each * float(weight) for each, weight in zip(votes, weights, strict=True)]
        ).argmax()


WRITERS = {
    "CompactOneVsRest": _OneVsRest,
    "CompactOneVsOne": _OneVsOne,
    "CompactOutputCode": _OutputCode,
    "CompactMultiRegressor": _Multi,
    "CompactMultiClassifier": _Multi,
    "CompactRegressorChain": _Chain,
    "CompactClassifierChain": _Chain,
    "CompactBaggedRegressor": _BaggedRegressor,
    "CompactBaggedClassifier": _BaggedClassifier,
    "CompactVotingRegressor": _VotingRegressor,
    "CompactSoftVoting": _SoftVoting,
    "CompactHardVoting": _HardVoting,
}
