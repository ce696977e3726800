"""Containers of one predictor in C: its scores, and another answer."""

import numpy as np

from sklearn_prune.persistence.export.c.text import number
from sklearn_prune.persistence.export.c.writer import Writer, loop


class Around(Writer):
    """Writes a container of one predictor by the writer of that predictor."""

    def take(self, inner):
        """Set the writer of the predictor."""
        self.inner = inner
        self.reads, self.score = inner.reads, inner.score
        sizes = [answer[0] for answer in (inner.probabilities(), inner.scores()) if answer]
        self.n_raw = max(inner.n_raw, *sizes, 1)

    def write(self, name):
        self.inner.columns = self.columns
        self.inner.write(name)

    def probabilities(self):
        return self.inner.probabilities()

    def scores(self):
        return self.inner.scores()


class _Threshold(Around):
    def label(self):
        compact = self.compact
        positive = int(bool(compact.positive_))
        if compact.method_ == "predict_proba":
            _, lines = self.inner.probabilities()
            value = f"out[{positive}]"
        else:
            _, lines = self.inner.scores()
            value = "out[0]" if positive else "-out[0]"
        least = self.constant(compact.threshold_)
        return [*lines, f"return {value} >= {least} ? {positive} : {1 - positive};"]


_OF_TWO = {"multiply": "*", "add": "+", "subtract": "-", "divide": "/"}


class _TransformedTarget(Around):
    def prepare(self):
        if self.compact.inverse_ is None:
            kind = type(self.compact.transformer_).__name__
            self.refuse(f"targets that a {kind} transforms back")
        if self.compact.target_dim_ > 2:
            self.refuse("targets of three dimensions")

    def numbers(self):
        n, lines = self.inner.numbers()
        lines = list(lines)
        for name, second in self.compact.inverse_:
            if second is None:
                lines += loop(n, [f"out[k] = {self._of_one(name)};"])
                continue
            values = np.broadcast_to(np.ravel(second), n)
            for k, value in enumerate(values.tolist()):
                kind = (
                    "double" if self.score == "double" or values.itemsize > 4 else "float"
                )
                constant = number(value, kind)
                right = f"out[{k}] {_OF_TWO[name]} {constant}"
                lines.append(f"out[{k}] = ({self.score})({right});")
        return n, lines

    def _of_one(self, name):
        return "out[k] * out[k]" if name == "square" else f"{self.function(name)}(out[k])"


WRITERS = {
    "CompactThreshold": _Threshold,
    "CompactTransformedTarget": _TransformedTarget,
}
