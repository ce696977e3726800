"""What writes predictors into a graph: one class for each kind of compact form."""

import numpy as np

from sklearn_prune.weight_pruning import exporters

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function")


class Writer:
    """Writes what one predictor computes: its methods are those of the predictor.

    A method gets `Rows` and returns a `Value` of the shape that the predictor returns. A
    subclass for classifiers may give `codes`, positions in `classes_`, in place of
    `predict`.
    """

    def __init__(self, translation, compact):
        self.translation = translation
        self.graph = translation.graph
        self.compact = compact

    def gives(self, method):
        """Whether the predictor has a method."""
        return hasattr(self.compact, method)

    def codes(self, rows):
        """Positions of the labels in `classes_`."""
        raise NotImplementedError

    def predict(self, rows):
        """Labels by their positions."""
        return self.labels(self.codes(rows))

    def predict_log_proba(self, rows):
        """Logarithms of the probabilities, a list of them for several outputs."""
        found = self.ask(self.compact, "predict_proba", rows)
        return [each.log() for each in found] if isinstance(found, list) else found.log()

    def labels(self, codes, classes=None):
        """The labels at positions."""
        classes = self.compact.classes_ if classes is None else classes
        return labels(self.graph, codes, classes)

    def ask(self, member, method, rows):
        """What a method of a predictor gives for rows."""
        return self.translation.ask(member, method, rows)

    def rounded(self, array, dtype=None):
        """Parameters of the predictor as a value."""
        return self.graph.parameter(array, dtype)

    def refuse(self, reason, remedy):
        """Raise because the predictor has no operators that say the same."""
        raise TypeError(
            f"to_onnx cannot write {reason}. Got {type(self.compact).__name__}. {remedy}"
        )


def labels(graph, codes, classes):
    """The labels at positions; integers count as such where they are the positions."""
    classes = np.asarray(classes)
    if classes.dtype.kind in "iu":
        if np.array_equal(classes, np.arange(len(classes))):
            return codes.cast(np.int64)
        classes = classes.astype(np.int64)
    elif classes.dtype.kind == "O":
        kinds = {type(label) for label in classes.tolist()}
        if kinds == {str}:
            classes = classes.astype(str)
        elif kinds <= {int, bool}:
            classes = np.array(classes.tolist(), dtype=np.int64)
        elif kinds <= {int, float}:
            classes = np.array(classes.tolist(), dtype=np.float64)
        else:
            names = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise TypeError(
                "Labels in a graph must be all strings, or all numbers. Got classes_ of "
                f"{names}. Fit the model on y.astype(str)."
            )
    return graph.constant(classes).take(codes.cast(np.int64))


class Translation:
    """Predictors in one graph; what is asked twice is written once.

    `whole` is the predictor that the graph stands for.
    """

    def __init__(self, graph, whole=None):
        self.graph = graph
        self.whole = whole
        self._writers = {}
        self._answers = {}
        self._kinds = exporters("onnx")

    def ask(self, compact, method, rows):
        """What a method of a predictor gives for rows."""
        key = (id(compact), method, rows.key)
        if key not in self._answers:
            writer = self.writer(compact)
            if method in METHODS and not (writer.gives(method) and hasattr(writer, method)):
                raise TypeError(
                    f"to_onnx writes no {method} of {_kind(compact)}, which the model "
                    "around it reads. Use save() and load() instead."
                )
            self._answers[key] = getattr(writer, method)(rows)
        return self._answers[key]

    def writer(self, compact):
        """What writes a predictor."""
        if id(compact) not in self._writers:
            for cls in type(compact).__mro__:
                if cls.__name__ in self._kinds:
                    self._writers[id(compact)] = self._kinds[cls.__name__](self, compact)
                    break
            else:
                raise TypeError(
                    "to_onnx writes compact forms and models that skl2onnx knows. Got "
                    f"{_kind(compact)}. Use save() and load() instead, or name a Writer of "
                    "your own in exporters of a FamilySpec."
                )
        return self._writers[id(compact)]


def _kind(compact):
    """The name of a predictor, or of the model that it keeps."""
    return type(getattr(compact, "model_", compact)).__name__
