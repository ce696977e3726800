"""Controls: what a pruned variant has to beat at the size that it really kept."""

from sklearn.base import clone

from sklearn_prune._ranking import keeps_all
from sklearn_prune._sklearn_compat import BaseSearchCV
from sklearn_prune.comparison.run.costs import requested_keeps
from sklearn_prune.sample_selection import RandomSelector, SampleSubset
from sklearn_prune.weight_pruning import PrunedModel, smaller_from_scratch
from sklearn_prune.weight_pruning.criteria import RandomCriterion

_MEMBERS = ("named_steps", "named_estimators_", "named_transformers_")


def random_control(estimator, model=None):
    """The same variant, unfitted, with rows and parameters chosen at random.

    `model` is the variant fitted: sizes are those that it really kept, and of a search what
    it has chosen. None leaves what was asked for.
    """
    if isinstance(estimator, BaseSearchCV) and hasattr(model, "best_estimator_"):
        return random_control(clone(model.best_estimator_), model.best_estimator_)
    params = estimator.get_params(deep=True)
    changes, replaced = {}, ()
    for path in sorted(
        name for name, one in params.items() if isinstance(one, BaseSearchCV)
    ):
        found = None if model is None else fitted_part(model, path)
        if found is not None and not path.startswith(replaced):
            changes[path] = random_control(params[path], found)
            replaced = (*replaced, f"{path}__")
    for path, keep in _pruning_parts(estimator):
        if path.startswith(replaced):
            continue
        part = params[path] if path else estimator
        prefix = f"{path}__" if path else ""
        fitted = None if model is None else _fitted_wrapper(model, path)
        rows = None if model is None else _rows_inside(model, path)
        if model is not None and isinstance(keep, str) and fitted is None and rows is None:
            continue  # its own size is not known from outside
        if isinstance(part, SampleSubset):
            changes[f"{prefix}selector"] = RandomSelector()
            if fitted is not None:
                keep = _share_of_rows(fitted)
            elif rows is not None:
                keep = max(2, len(rows))
        else:
            changes[f"{prefix}criterion"] = RandomCriterion()
            if fitted is not None and part.unit == "auto":
                keep = _share_of_parameters(fitted.report_)
            elif fitted is not None:
                changes[f"{prefix}unit"] = fitted.unit_
                n_kept = len(fitted.kept_)
                keep = 1.0 if n_kept == fitted.n_units_ else n_kept
        changes[f"{prefix}keep"] = keep
    return clone(estimator).set_params(**changes)


def rescaled(control, factor):
    """A control whose mixes of units keep `factor` times as much, or None without any."""
    params = control.get_params(deep=True)
    changes = {}
    for path, keep in _pruning_parts(control):
        part = params[path] if path else control
        if isinstance(part, PrunedModel) and part.unit == "auto" and keep * factor != keep:
            changes[f"{path}__keep" if path else "keep"] = float(min(1.0, keep * factor))
    return clone(control).set_params(**changes) if changes else None


def small_control(estimator, model):
    """The inner model at the size that pruning left, trained from scratch, or None.

    None where there is no such model: none or several parts are pruned, or the family
    defines none.
    """
    params = estimator.get_params(deep=True)
    paths = [path for path, _ in _pruning_parts(estimator)]
    if len(paths) != 1:
        return None
    part = params[paths[0]] if paths[0] else estimator
    fitted = _fitted_wrapper(model, paths[0])
    if not isinstance(part, PrunedModel) or fitted is None:
        return None
    small = smaller_from_scratch(part, fitted)
    if small is None:
        return None
    # In its compact form, so that its bytes are of the same kind.
    whole = clone(part).set_params(
        estimator=small, criterion=None, unit="auto", keep=1.0, schedule=None, dropout=0.0
    )
    return clone(estimator).set_params(**{paths[0]: whole}) if paths[0] else whole


CONTROLS = {"random": random_control, "small": small_control}


def is_its_own_random_control(estimator):
    """Whether all that is pruned is chosen at random already."""
    params = estimator.get_params(deep=True)
    parts = [params[path] if path else estimator for path, _ in _pruning_parts(estimator)]
    return all(
        type(part.selector) in (type(None), RandomSelector)
        if isinstance(part, SampleSubset)
        else type(part.criterion) is RandomCriterion
        for part in parts
    )


def _pruning_parts(estimator):
    """Path and requested keep of each part that prunes, in the order of the paths."""
    for name, keep in sorted(requested_keeps(estimator).items()):
        if isinstance(keep, str) or not keeps_all(keep):
            yield name.rpartition("__")[0], keep


def fitted_part(model, path):
    """The fitted counterpart of a part, or None where it is not kept or not found."""
    for name in path.split("__") if path else ():
        if isinstance(model, PrunedModel):
            return None
        named = next(
            (
                getattr(model, attribute)
                for attribute in _MEMBERS
                if hasattr(model, attribute)
            ),
            {},
        )
        model = named[name] if name in named else getattr(model, f"{name}_", None)
        if model is None:
            return None
    return model


def _rows_inside(model, path):
    """Rows that the SampleSubset* right inside a Pruned*, at this path, has kept."""
    outer, _, name = path.rpartition("__")
    pruned = fitted_part(model, outer) if name == "estimator" else None
    inner = getattr(getattr(pruned, "estimator", None), "estimator", None)
    if not isinstance(pruned, PrunedModel) or isinstance(inner, SampleSubset):
        return None
    return vars(pruned).get("sample_indices_")


def _fitted_wrapper(model, path):
    part = fitted_part(model, path)
    known = ("report_",) if isinstance(part, PrunedModel) else ("sample_indices_",)
    if isinstance(part, SampleSubset | PrunedModel) and vars(part).keys() >= set(known):
        return part
    return None


def _share_of_rows(fitted):
    n_kept = len(fitted.sample_indices_)
    if n_kept == len(fitted.sample_mask_):
        return 1.0
    return max(2, n_kept)


def _share_of_parameters(report):
    return min(1.0, report.after["parameters"] / max(1, report.before["parameters"]))
