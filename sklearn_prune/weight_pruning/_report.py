"""What pruning did: sizes before and after, seconds, and the sizes that were tried."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class PruningReport:
    """Before and after of one pruned model.

    Parameters
    ----------
    unit : str
        The kind of unit that was pruned.
    keep : float or int
        The share or number of units kept; what keep="auto" chose.
    before, after : dict
        "parameters" and "nonzero": numbers that `predict` reads and those that are not
        zero; "units": how many of the unit there are; "nbytes": length of the pickle, of
        the fitted inner model and of `compact_`.
    seconds : dict
        CPU seconds of "fit", "inner_validation" and "prune".
    path : list of dict
        Estimates of inner validation for each size, on held-out rows of inner folds. They
        are no test: the size was chosen by them. "keep", "option"; "used": share of the
        parameters that is stored; "loss": mean loss of score against keep=1.0, "error": its
        standard error; "weighted_loss" and "weighted_error": the same with the class
        weights of the model, if it has any; "log_loss": rise of the log loss (for
        classifiers without probabilities the hinge loss) as a share of that of keep=1.0;
        "churn": share of the labels that differ from those of keep=1.0, and
        "churn_by_class" by true class; for regressors "change": mean squared difference of
        the answers from those of keep=1.0, as a share of the variance; "chosen".
    form : str
        Class of the predictor.
    within_tolerance : bool or None
        Whether the chosen size is within `tolerance` on inner folds; None if none were
        needed.
    notes : tuple of str
        What is worth knowing, such as why a closer family did not apply.

    Attributes
    ----------
    larger : bool
        Whether the pruned model has more bytes than the inner model, where both are known.
    """

    unit: str
    keep: object
    before: dict
    after: dict
    seconds: dict
    path: list = field(default_factory=list)
    form: str = ""
    within_tolerance: bool | None = None
    notes: tuple = ()

    @property
    def larger(self):
        """Whether the pickle of the pruned model is longer than that of the inner model."""
        before, after = self.before.get("nbytes"), self.after.get("nbytes")
        return None not in (before, after) and after > before

    def __str__(self):
        lines = [f"{'':<12}{'before':>14}{'after':>14}{'ratio':>9}"]
        for name in ("parameters", "nonzero", "units", "nbytes"):
            before, after = self.before.get(name), self.after.get(name)
            if before is None or after is None:
                continue
            ratio = f"{before / after:>8.1f}x" if after else f"{'-':>9}"
            lines.append(f"{name:<12}{before:>14,}{after:>14,}{ratio}")
        spent = ", ".join(f"{name} {value:.2f} s" for name, value in self.seconds.items())
        lines.append(f"unit {self.unit!r}, keep={self.keep!r}, {self.form}; {spent}")
        chosen = [entry for entry in self.path if entry["chosen"]]
        for entry in chosen:
            text = f"on inner folds (no test): loss {entry['loss']:.4f} +- "
            text += f"{entry['error']:.4f}"
            if "weighted_loss" in entry:
                text += f" (with class weights {entry['weighted_loss']:.4f} +- "
                text += f"{entry['weighted_error']:.4f})"
            if "log_loss" in entry:
                text += f", log loss {100 * entry['log_loss']:+.1f} %"
            if "churn" in entry:
                text += f", {100 * entry['churn']:.1f} % of the labels changed"
            if "change" in entry:
                text += f", answers changed by {entry['change']:.4f} of the variance"
            lines.append(text)
        if self.larger:
            lines.append("The pruned model is larger than the inner model.")
        return "\n".join((*lines, *self.notes))

    def _repr_html_(self):
        return f"<pre>{self}</pre>"
