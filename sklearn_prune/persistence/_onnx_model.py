"""Models without a compact form of their own, by skl2onnx."""

from sklearn.base import is_classifier

from sklearn_prune.persistence._onnx_inline import inlined
from sklearn_prune.persistence._onnx_writer import Writer


class _Model(Writer):
    def _results(self, rows, *, raw=False):
        model = self.compact.model_
        options = None
        if is_classifier(model):
            options = {id(model): {"zipmap": False}}
            if raw:
                options[id(model)]["raw_scores"] = True
        what = f"the model {type(model).__name__}"
        return inlined(self.graph, what, model, rows, [], options)

    def raw_results(self, rows):
        """Labels and scores before they become probabilities."""
        return self._results(rows, raw=True)

    def results(self, rows):
        """Labels and probabilities, or targets."""
        return self._results(rows)

    def predict(self, rows):
        found = self.ask(self.compact, "results", rows)[0]
        if is_classifier(self.compact.model_):
            return found
        return found.ravel() if self._flat() else found

    def _flat(self):
        model = self.compact.model_
        n_outputs = getattr(model, "n_outputs_", None)
        if n_outputs is None:
            n_outputs = getattr(model, "_n_outputs", 1)
        return n_outputs == 1

    def predict_proba(self, rows):
        return self.ask(self.compact, "results", rows)[1]

    def decision_function(self, rows):
        found = self.ask(self.compact, "raw_results", rows)[1]
        if len(self.compact.classes_) == 2:
            found.ndim = 2
            return found.ravel() if not hasattr(self.compact, "predict_proba") else found
        return found


WRITERS = {"CompactModel": _Model}
