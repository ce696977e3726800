"""Containers and pipelines as ONNX operators."""

from functools import partialmethod

import numpy as np
from sklearn.base import is_classifier

from sklearn_prune.persistence.export.onnx.inline import inlined
from sklearn_prune.persistence.export.onnx.rows import Rows
from sklearn_prune.persistence.export.onnx.session import STARTS
from sklearn_prune.persistence.export.onnx.steps import transformed
from sklearn_prune.persistence.export.onnx.writer import Writer


class _Model(Writer):
    def gives(self, method):
        """Scores by skl2onnx differ from scikit-learn's in shape and sign."""
        return method != "decision_function" and super().gives(method)

    def results(self, rows):
        """Labels and probabilities, or targets."""
        model = self.compact.model_
        options = {id(model): {"zipmap": False}} if is_classifier(model) else None
        methods = ["predict"]
        if is_classifier(model) and hasattr(model, "predict_proba"):
            methods.append("predict_proba")
        what = f"the model {type(model).__name__}"
        return inlined(self.graph, what, model, rows, options, methods=methods)

    def predict(self, rows):
        found = self.ask(self.compact, "results", rows)[0]
        if is_classifier(self.compact.model_) or self._n_outputs() > 1:
            return found
        return found.ravel()

    def _n_outputs(self):
        model = self.compact.model_
        coefficients = getattr(model, "coef_", None)
        if getattr(coefficients, "ndim", 1) == 2:
            return coefficients.shape[0]
        return getattr(model, "n_outputs_", 1)

    def predict_proba(self, rows):
        return self.ask(self.compact, "results", rows)[1]


def single(value):
    """A matrix of one column as a vector."""
    return value.ravel() if value.ndim == 2 else value


def score(writer, member, method, rows):
    """Scores of the positive class of a binary model."""
    found = writer.ask(member, method, rows)
    if method == "predict_proba":
        return found.column(1)
    return single(found) if method == "decision_function" else found


class _Around(Writer):
    """Hands each method on to the predictor inside."""

    def _inside(self, rows):
        raise NotImplementedError

    def _ask_inside(self, method, rows):
        member, rows = self.ask(self.compact, "_inside", rows)
        return self.ask(member, method, rows)

    predict = partialmethod(_ask_inside, "predict")
    predict_proba = partialmethod(_ask_inside, "predict_proba")
    predict_log_proba = partialmethod(_ask_inside, "predict_log_proba")
    decision_function = partialmethod(_ask_inside, "decision_function")


class _Columns(_Around):
    def _inside(self, rows):
        return self.compact.inner_, rows.take(self.compact.columns_)


class _Pipeline(_Around):
    def _inside(self, rows):
        for name, step in self.compact.steps_:
            rows = transformed(self.graph, name, step, rows)
        if self.compact is self.translation.whole and len(rows.values) == 1:
            rows = Rows([self._start(rows.first)])
        return self.compact.members_[0], rows

    def _start(self, value):
        """The rows of the last step under a name by which `check_export` finds them."""
        if value.ndim != 2 or value.dtype.kind != "f":
            return value
        kind = str(self.graph.tensor_type(value.dtype))
        return self.graph.node("Identity", [value], name=STARTS, doc_string=kind)


class _Constant(Writer):
    def _value(self):
        return np.ravel(self.compact.value_)[0]

    def predict(self, rows):
        return self.graph.filled(rows, np.int64(self._value()))

    def decision_function(self, rows):
        return self.graph.filled(rows, self.graph.float.type(self._value()))

    def predict_proba(self, rows):
        second = self.graph.filled(rows, self.graph.float.type(self._value()))
        return self.graph.stack([1.0 - second, second])


class _TransformedTarget(Writer):
    def predict(self, rows):
        compact = self.compact
        found = self.ask(compact.members_[0], "predict", rows).as_column()
        found = self._back(compact, found)
        return found.ravel() if compact.target_dim_ == 1 else found

    def _back(self, compact, values):
        transformer = compact.transformer_
        what = getattr(transformer, "inverse_func", None) or transformer
        what = getattr(what, "__name__", type(what).__name__)
        for name, second in compact.inverse_ or ():
            if second is not None:
                values = _OF_TWO[name](values, second)
            elif name in _FUNCTIONS:
                values = _FUNCTIONS[name](values)
            else:
                what = name
        if compact.inverse_ is not None and what == "NoneType":
            return values
        self.refuse(
            f"{what} on predicted targets",
            "Write one of the scalers, or np.exp, np.expm1, np.log, np.square or np.sqrt.",
        )


_OF_TWO = {
    "multiply": lambda values, second: values * second,
    "add": lambda values, second: values + second,
    "subtract": lambda values, second: values - second,
    "divide": lambda values, second: values / second,
}
_FUNCTIONS = {
    "exp": lambda z: z.exp(),
    "expm1": lambda z: z.exp() - 1.0,
    "log": lambda z: z.log(),
    "log1p": lambda z: (z + 1.0).log(),
    "exp2": lambda z: (z * float(np.log(2.0))).exp(),
    "square": lambda z: z * z,
    "sqrt": lambda z: z.sqrt(),
}


class _Threshold(_Around):
    def _inside(self, rows):
        return self.compact.members_[0], rows

    def predict(self, rows):
        compact = self.compact
        found = self._ask_inside(compact.method_, rows)
        if compact.method_ == "predict_proba":
            found = found.column(compact.positive_)
        elif compact.positive_ == 0:
            found = -found
        classes = compact.classes_[[1 - compact.positive_, compact.positive_]]
        return self.labels(found >= float(compact.threshold_), classes)


class _Stacking(Writer):
    def _inside(self, rows):
        compact, graph = self.compact, self.graph
        binary = len(getattr(compact, "classes_", ())) == 2
        columns = []
        for member, method in zip(compact.members_, compact.methods_, strict=True):
            found = self.ask(member, method, rows)
            if isinstance(found, list):
                self.refuse(
                    "stacked classifiers of several outputs", "Use save() and load()."
                )
            if found.ndim == 1:
                found = found.as_column()
            elif binary and method == "predict_proba":
                found = found.take(np.array([1]), axis=1)
            columns.append(found.as_float())
        if compact.passthrough_:
            columns.append(rows.array())
        return Rows([graph.concat(columns)])

    def _final(self, method, rows):
        inside = self.ask(self.compact, "_inside", rows)
        return self.ask(self.compact.final_, method, inside)

    predict_proba = partialmethod(_final, "predict_proba")
    decision_function = partialmethod(_final, "decision_function")


class _StackingRegressor(_Stacking):
    predict = partialmethod(_Stacking._final, "predict")


class _StackingClassifier(_Stacking):
    codes = partialmethod(_Stacking._final, "predict")


class _Calibrated(Writer):
    def codes(self, rows):
        return self.ask(self.compact, "predict_proba", rows).argmax()

    def predict_proba(self, rows):
        compact = self.compact
        total = None
        for member, curves in zip(compact.members_, compact.curves_, strict=True):
            found = self._calibrated(member, curves, rows)
            total = found if total is None else total + found
        return total / float(len(compact.members_))

    def _calibrated(self, member, curves, rows):
        graph = self.graph
        if hasattr(member, "decision_function"):
            scores = self.ask(member, "decision_function", rows).as_column()
        else:
            scores = self.ask(member, "predict_proba", rows)
            if len(member.classes_) == 2:
                scores = scores.take(np.array([1]), axis=1)
        n_columns = len(member.classes_) if len(member.classes_) > 2 else 1
        scores = scores.as_float().cast(graph.float)
        if self.compact.method_ == "temperature":
            probabilities = not hasattr(member, "decision_function")
            logits = self._logits(scores, n_columns, probabilities)
            found = (logits * float(np.ravel(curves[0])[0])).softmax()
        else:
            found = self._each_class(member, curves, scores)
        barely = graph.node("And", [found > 1.0, found <= 1.0 + 1e-5], dtype=bool)
        return graph.where(barely, graph.value(1.0, like=found), found)

    def _logits(self, scores, n_columns, probabilities):
        """Scores of all classes, or logarithms of probabilities."""
        graph = self.graph
        if n_columns == 1:
            if not probabilities:
                return graph.concat([-scores, scores])
            scores = graph.concat([1.0 - scores, scores])
        if probabilities:
            return (scores + 1e-12).log()
        return scores

    def _each_class(self, member, curves, scores):
        graph, compact = self.graph, self.compact
        n_classes = len(compact.classes_)
        curve = self._sigmoid if compact.method_ == "sigmoid" else self._isotonic
        if n_classes == 2:
            second = curve(curves[0], scores.column(0))
            return graph.stack([1.0 - second, second])
        columns = [None] * n_classes
        places = compact._positions(member)
        for number, (place, own) in enumerate(zip(places, curves, strict=False)):
            columns[place] = curve(own, scores.column(number))
        nothing = next(each for each in columns if each is not None) * 0.0
        found = graph.stack([nothing if each is None else each for each in columns])
        sums = found.sum(1, keepdims=True)
        uniform = found * 0.0 + 1.0 / n_classes
        zero = sums.equals(0.0)
        shares = found / graph.where(zero, graph.value(1.0, like=sums), sums)
        return graph.where(zero, uniform, shares)

    def _sigmoid(self, curve, scores):
        return (-(scores * float(curve[0]) + float(curve[1]))).expit()

    def _isotonic(self, curve, scores):
        """Straight lines between thresholds: the one that starts below each score."""
        graph = self.graph
        at, values = np.asarray(curve, dtype=np.float64)
        if len(at) == 1:
            return scores * 0.0 + float(values[0])
        scores = scores.clip(float(at[0]), float(at[-1]))
        above = scores.as_column() >= at[None, 1:-1]
        place = above.cast(np.int64).sum(1) if len(at) > 2 else None
        steps = np.diff(at)
        slopes = np.diff(values) / np.where(steps > 0, steps, 1.0)
        if place is None:
            return (scores - float(at[0])) * float(slopes[0]) + float(values[0])
        starts, slopes, values = (
            graph.parameter(part, scores.dtype).take(place)
            for part in (at[:-1], slopes, values[:-1])
        )
        return (scores - starts) * slopes + values


WRITERS = {
    "CompactModel": _Model,
    "CompactColumns": _Columns,
    "CompactPipeline": _Pipeline,
    "CompactConstant": _Constant,
    "CompactTransformedTarget": _TransformedTarget,
    "CompactThreshold": _Threshold,
    "CompactStackingRegressor": _StackingRegressor,
    "CompactStackingClassifier": _StackingClassifier,
    "CompactCalibrated": _Calibrated,
}
