"""What a check of an exported model has found."""

from dataclasses import dataclass, field


@dataclass
class ExportReport:
    """What `check_export` found.

    Attributes
    ----------
    kind : str
        What the artefact is: "ONNX graph", "C source", "file" or "predictor".
    n_rows : int
        Number of rows that were compared.
    n_nodes : int
        Number of nodes of trees on both sides of which rows were compared.
    n_thresholds : int
        Number of different thresholds of columns at these nodes.
    n_different : int
        Number of rows with another label, or with scores outside the tolerance.
    labels_equal : bool or None
        Whether all labels are equal. None where the model predicts numbers.
    largest_difference : float
        Largest difference of a score, divided by its size where that exceeds 1; of C and of
        files divided by the largest score of the rows.
    largest_ulp : float
        The same in units in the last place of the largest score of the row.
    tolerance : float
        The largest difference that is allowed.
    reasons : list of str
        What is wrong, a sentence each. Empty if nothing is.
    """

    kind: str = ""
    n_rows: int = 0
    n_nodes: int = 0
    n_thresholds: int = 0
    n_different: int = 0
    labels_equal: bool | None = None
    largest_difference: float = 0.0
    largest_ulp: float = 0.0
    tolerance: float = 0.0
    reasons: list = field(default_factory=list)

    @property
    def equal(self):
        """Whether the artefact answers as the model does."""
        return not self.reasons

    def __repr__(self):
        verdict = "answers as the model does" if self.equal else "differs from the model"
        rows = f"rows: {self.n_rows}"
        if self.n_nodes:
            rows += f", on both sides of {self.n_thresholds} thresholds"
        scores = (
            f"scores: within {self.largest_difference:.2g} ({self.largest_ulp:.0f} ulp), "
            f"allowed {self.tolerance:.2g}"
        )
        lines = [f"{self.kind}: {verdict}", rows]
        if self.labels_equal is not None:
            lines.append(f"labels: {'equal' if self.labels_equal else 'different'}")
        return "\n".join([*lines, scores, *self.reasons])
