"""What a second run of a comparison has to find again, and whether it did."""

from dataclasses import dataclass

from sklearn_prune.comparison._describe import digest


@dataclass(frozen=True)
class Verification:
    """What a second run of a comparison found; true if nothing differs.

    Parameters
    ----------
    difference : str or None
        The first thing that differs, in a sentence.
    """

    difference: str | None = None

    def __bool__(self):
        return self.difference is None

    def __str__(self):
        return self.difference or "identical"


def hashes_of(fit):
    """What the manifest says of one fit; None where a control is not defined."""
    if fit is None:
        return None
    rows = [kept.ids for kept in fit.kept if kept.unit == "row"]
    masks = [[kept.unit, kept.n_units, kept.ids] for kept in fit.kept if kept.unit != "row"]
    hashes = {
        "scores": {name: float(score).hex() for name, score in fit.scores.items()},
        "rows": digest(rows[0]) if len(rows) == 1 else (digest(rows) if rows else None),
        "mask": digest(masks) if masks else None,
        "predictions": None if fit.predictions is None else digest(fit.predictions),
        "error": fit.error,
    }
    if fit.controls:
        hashes["controls"] = {name: hashes_of(one) for name, one in fit.controls.items()}
    return hashes
