"""Which parameters of a comparison reach which fit and which scorer."""

from inspect import signature

from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import has_fit_parameter

from sklearn_prune._meta import last_step, pipeline_prefix, routing_enabled
from sklearn_prune._sklearn_compat import count_rows
from sklearn_prune._validation import check_same_length, check_weights
from sklearn_prune.sample_selection._subset import SampleSubset
from sklearn_prune.weight_pruning._pruned_base import PrunedModel


def route(params, groups, X, variants, splitter, scorers):
    """Parameters for the fit of each variant and for each scorer.

    With metadata routing enabled, requests decide. Otherwise `sample_weight` goes to
    every fit (to the last step of a Pipeline), `groups` to the splitter, to the
    meta-estimators of this package and to a fit that names it, anything else to every
    fit, and nothing to scorers.

    Returns
    -------
    fit_params, score_params : dict of str to dict
        By variant and by scorer.
    """
    params = dict(params or {})
    if groups is not None:
        check_same_length(X, groups=groups)
    for name, values in params.items():
        if values is not None and name.rpartition("__")[2] == "sample_weight":
            check_weights(values, count_rows(X))
    if not routing_enabled():
        return {
            name: _fit_params(name, estimator, params, groups)
            for name, estimator in variants.items()
        }, {}
    if groups is not None:
        params["groups"] = groups
    if not params:
        return {name: {} for name in variants}, {}
    router = MetadataRouter(owner="compare_pruning")
    router.add(
        splitter=splitter, method_mapping=MethodMapping().add(caller="fit", callee="split")
    )
    for number, estimator in enumerate(variants.values()):
        mapping = MethodMapping().add(caller="fit", callee="fit")
        router.add(method_mapping=mapping, **{f"estimator_{number}": estimator})
    for number, scorer in enumerate(scorers.values()):
        if hasattr(scorer, "get_metadata_routing"):
            mapping = MethodMapping().add(caller="fit", callee="score")
            router.add(method_mapping=mapping, **{f"scorer_{number}": scorer})
    routed = process_routing(router, "fit", **params)
    fit_params = {
        name: dict(routed[f"estimator_{number}"]["fit"])
        for number, name in enumerate(variants)
    }
    score_params = {
        name: dict(routed[f"scorer_{number}"]["score"])
        for number, (name, scorer) in enumerate(scorers.items())
        if hasattr(scorer, "get_metadata_routing")
    }
    return fit_params, score_params


def _fit_params(name, estimator, params, groups):
    last, prefix = last_step(estimator), pipeline_prefix(estimator)
    steps = [step for step, _ in getattr(estimator, "steps", ())]
    for parameter in params:
        step, separator, _ = parameter.partition("__")
        if steps and separator and step not in steps:
            raise ValueError(
                "params must name steps that every Pipeline has. Got "
                f"{parameter!r}, and {name!r} has the steps {', '.join(steps)}. Write "
                "sample_weight for the last step of each, or name the steps alike."
            )
    own = isinstance(last, SampleSubset | PrunedModel)
    given = dict(params)
    if given.get("sample_weight") is not None:
        weights = given.pop("sample_weight")
        if not own and not has_fit_parameter(last, "sample_weight"):
            raise ValueError(
                "params may hold sample_weight if every estimator takes it. Got "
                f"{name!r}, a {type(last).__name__}, which does not. Enable metadata "
                "routing to weight some of them."
            )
        given[f"{prefix}sample_weight"] = weights
    if groups is not None and (own or "groups" in signature(last.fit).parameters):
        given[f"{prefix}groups"] = groups
    return given
