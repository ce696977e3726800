"""The manifest of a comparison, and a second run that has to find it again."""

from dataclasses import dataclass, replace

import numpy as np

from sklearn_prune.comparison.provenance import describe, digest, first_difference
from sklearn_prune.comparison.run.execute import inputs_of, run_plan
from sklearn_prune.comparison.run.plan import (
    check_data,
    check_n_jobs,
    check_params,
    margins_of,
)


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


def manifest_of(plan, inputs, fits):
    """All that a second run has to find again, as a dict of plain values."""
    design = {
        **inputs["design"],
        "margins": margins_of(plan, fits),
        "alpha": plan.alpha,
        "chains": {name: list(chain) for name, chain in plan.chains.items()},
    }
    content = {
        "format": 1,
        **inputs,
        "design": design,
        "estimators": {name: describe(one) for name, one in plan.estimators.items()},
        "results": {name: [_hashes_of(fit) for fit in own] for name, own in fits.items()},
    }
    return {**content, "sha256": digest(content)}


def verify(plan, recorded, X, y, *, estimators, groups, params, n_jobs):
    """Run a plan again on these rows, unless its inputs differ from what was recorded."""
    if estimators is not None:
        plan = replace(plan, estimators=dict(estimators))
    check_n_jobs(n_jobs)
    X, y = check_data(X, y, plan.kind)
    params, groups = check_params(params, groups)
    groups = None if groups is None else np.asarray(groups)
    inputs = inputs_of(plan, X, y, groups, params)
    described = {name: describe(one) for name, one in plan.estimators.items()}
    design = {**recorded["design"], **inputs["design"]}
    now = {**recorded, **inputs, "estimators": described, "design": design}
    difference = first_difference(recorded, now)
    if difference is None:
        fits, _ = run_plan(plan, inputs, X, y, groups, params, n_jobs=n_jobs)
        difference = first_difference(recorded, manifest_of(plan, inputs, fits))
    return Verification(difference)


def _hashes_of(fit):
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
        hashes["controls"] = {name: _hashes_of(one) for name, one in fit.controls.items()}
    return hashes
