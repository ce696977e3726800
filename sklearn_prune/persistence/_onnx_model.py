"""Models without a compact form of their own, by skl2onnx."""

from sklearn.base import is_classifier

from sklearn_prune.persistence._onnx_inline import inlined
from sklearn_prune.persistence._onnx_writer import Writer


class _Model(Writer):
    def gives(self, method):
        """Scores by skl2onnx differ from scikit-learn's in shape and sign."""
        return method != "decision_function" and super().gives(method)

    def results(self, rows):
        """Labels and probabilities, or targets."""
        model = self.compact.model_
        options = {id(model): {"zipmap": False}} if is_classifier(model) else None
        what = f"the model {type(model).__name__}"
        return inlined(self.graph, what, model, rows, options, method="predict")

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
