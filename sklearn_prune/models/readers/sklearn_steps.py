"""Fitted transformers of scikit-learn, made of their numpy forms."""

from copy import deepcopy

import numpy as np
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_extraction.text import (
    CountVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.frozen import FrozenEstimator
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from sklearn_prune.predictors import ColumnSelector, CompactTransformer, copy_attributes


def fitted_step(form, template=None):
    """A fitted transformer of scikit-learn that gives what its numpy form gives.

    It has the attributes that `transform` reads, not those that only describe the fit.

    Parameters
    ----------
    form : object
        Anything but a numpy form is copied.
    template : object or None
        A transformer of the same class, fitted or not, whose parameters are taken.
    """
    form = deepcopy(form)
    if not isinstance(form, CompactTransformer):
        if isinstance(form, ColumnSelector):
            output = getattr(template, "_sklearn_output_config", {})
            form.set_output(transform=output.get("transform"))
        return form
    if isinstance(template, FrozenEstimator):
        return template
    if hasattr(template, "transformer"):  # of SampleSubsetTransformer
        made = clone(template)
        made.transformer_ = fitted_step(form, template.transformer)
        made._pairwise = False
        return copy_attributes(form, made, "n_features_in_", "feature_names_in_")
    template = None if isinstance(template, str) else template  # "passthrough"
    name = type(form).__name__.removeprefix("Compact")
    made = _MAKERS[name](form, None if template is None else clone(template))
    if name not in ("FeatureUnion", "Steps"):  # which ask their first member
        for fact in ("n_features_in_", "feature_names_in_"):
            if hasattr(form, fact):
                setattr(made, fact, getattr(form, fact))
    return made


def _maker(cls, *params):
    """Parameters that a form has by the same names, and attributes that stay."""

    def make(form, template):
        own = {name: getattr(form, name) for name in params}
        made = cls(**own) if template is None else template
        for name, value in vars(form).items():
            if name.endswith("_"):
                setattr(made, name, value)
        return made

    return make


def _standard_scaler(form, template):
    with_mean, with_std = form.mean_ is not None, form.scale_ is not None
    made = template or StandardScaler(with_mean=with_mean, with_std=with_std)
    made.mean_, made.scale_ = form.mean_, form.scale_
    return made


def _robust_scaler(form, template):
    centers, scales = form.center_ is not None, form.scale_ is not None
    made = template or RobustScaler(with_centering=centers, with_scaling=scales)
    made.center_, made.scale_ = form.center_, form.scale_
    return made


def _min_max_scaler(form, template):
    low, high = form.feature_range
    made = template or MinMaxScaler((low, high), clip=form.clip)
    made.min_, made.scale_ = form.min_, form.scale_
    return made


def _simple_imputer(form, template):
    missing = {"nan": np.nan, "none": None}.get(form.missing_kind, form.missing_values)
    if form.missing_kind == "na":
        from pandas import NA as missing
    indicates = form.indicated is not None
    made = template or SimpleImputer(
        missing_values=missing,
        strategy=form.strategy,
        add_indicator=indicates,
        keep_empty_features=form.keep_empty_features,
    )
    made.statistics_ = form.statistics_
    made._fit_dtype, made._fill_dtype = np.dtype(form.fit_dtype), np.dtype(form.fill_dtype)
    made.indicator_ = None
    if indicates:
        made.indicator_ = indicator = MissingIndicator(
            missing_values=missing, error_on_new=False
        )
        indicator.features_ = form.indicated
        indicator.n_features_in_ = indicator._n_features = form.n_features_in_
        indicator._precomputed = True
    return made


def _fill_encoder(made, form):
    made.categories_ = form.categories_
    made._infrequent_enabled = any(own is not None for own in form.grouped)
    if made._infrequent_enabled or _groups(made):
        made._infrequent_enabled = True
        made._default_to_infrequent_mappings = form.grouped
        made._infrequent_indices = [
            None if own is None else np.flatnonzero(own == own.max())
            for own in form.grouped
        ]
    return made


def _groups(encoder):
    return encoder.min_frequency is not None or encoder.max_categories is not None


def _one_hot_encoder(form, template):
    dropped = None
    if any(at is not None for at in form.dropped):
        dropped = np.array(form.dropped, dtype=object)
    warns = form.warns and form.handle_unknown != "warn"
    made = template or OneHotEncoder(
        handle_unknown=form.handle_unknown,
        sparse_output=form.sparse_output,
        dtype=np.dtype(form.dtype).type,
        drop="if_binary" if dropped is not None or warns else None,
        min_frequency=None if all(own is None for own in form.grouped) else 1,
    )
    _fill_encoder(made, form)
    if made.drop is not None and dropped is None:
        dropped = np.full(len(form.dropped), None, dtype=object)
    made._drop_idx_after_grouping = made.drop_idx_ = dropped
    if dropped is not None and made._infrequent_enabled:
        pairs = zip(dropped, form.grouped, strict=True)
        first = [
            at if at is None or own is None else np.flatnonzero(own == at)[0]
            for at, own in pairs
        ]
        made.drop_idx_ = np.array(first, dtype=object)
    made._n_features_outs = made._compute_n_features_outs()
    return made


def _ordinal_encoder(form, template):
    made = template or OrdinalEncoder(
        handle_unknown=form.handle_unknown,
        unknown_value=form.unknown_value,
        encoded_missing_value=form.encoded_missing_value,
        dtype=np.dtype(form.dtype).type,
        min_frequency=None if all(own is None for own in form.grouped) else 1,
    )
    made._missing_indices = {
        at: len(own) - 1
        for at, own in enumerate(form.categories_)
        if len(own) and isinstance(own[-1], float | np.floating) and own[-1] != own[-1]
    }
    return _fill_encoder(made, form)


def _k_bins_discretizer(form, template):
    kind = None if form.dtype is None else np.dtype(form.dtype).type
    made = template or KBinsDiscretizer(encode=form.encode, dtype=kind)
    made.bin_edges_ = np.empty(len(form.bin_edges_), dtype=object)
    made.bin_edges_[:] = form.bin_edges_
    made.n_bins_ = form.n_bins_
    if form.encode != "ordinal":
        categories = [np.arange(count) for count in form.n_bins_]
        made._encoder = OneHotEncoder(
            categories=categories,
            sparse_output=form.encode == "onehot",
            dtype=np.float64 if kind is None else kind,
        ).fit(np.zeros((1, len(categories))))
    return made


def _projection(cls):
    def make(form, template):
        made = template or cls(len(form.components_))
        if cls is PCA:
            made.mean_, made.n_components_ = form.mean_, len(form.components_)
            made.whiten = form.whiten
            made.explained_variance_ = form.explained_variance_
        made.components_ = form.laid_out()
        return made

    return make


def _polynomial_features(form, template):
    made = template or PolynomialFeatures(
        tuple(form.degrees),
        interaction_only=form.interaction_only,
        include_bias=form.include_bias,
        order=form.order,
    )
    return made.fit(np.zeros((1, form.n_features_in_)))


def _power_transformer(form, template):
    made = template or PowerTransformer(form.method, standardize=form.scaler is not None)
    made.lambdas_ = form.lambdas_
    if form.scaler is not None:
        made._scaler = fitted_step(form.scaler)
    return made


def _vectorizer(cls):
    names = (
        *("analyzer", "lowercase", "strip_accents", "token_pattern", "binary"),
        *("encoding", "decode_error", "stop_words"),
    )

    def make(form, template):
        made = template
        if template is None:
            made = cls(
                ngram_range=tuple(form.ngram_range),
                dtype=np.dtype(form.dtype).type,
                **{name: getattr(form, name) for name in names},
            )
        made.vocabulary_, made.fixed_vocabulary_ = form.vocabulary_, False
        made._stop_words_id = id(made.stop_words)
        if cls is TfidfVectorizer:
            made.norm, made.sublinear_tf = form.norm, form.sublinear_tf
            made.use_idf = form.idf_ is not None
            made._tfidf = _tfidf_transformer(form, None)
            made._tfidf.n_features_in_ = len(form.terms)
        return made

    return make


def _tfidf_transformer(form, template):
    made = template or TfidfTransformer(
        norm=form.norm, use_idf=form.idf_ is not None, sublinear_tf=form.sublinear_tf
    )
    if form.idf_ is not None:
        made.idf_ = form.idf_
    return made


def _identity(form, template):
    named = "one-to-one" if form.named else None
    return template or FunctionTransformer(feature_names_out=named, accept_sparse=True)


def _function(form, template):
    functions = [
        None if name is None else getattr(np, name)
        for name in (form.function, form.inverse)
    ]
    return template or FunctionTransformer(
        *functions,
        validate=form.validate,
        check_inverse=False,
        feature_names_out="one-to-one" if form.named else None,
    )


def _members(form, templates):
    """The members by their names."""
    named = zip(form.names, form.members, strict=True)
    return {name: fitted_step(part, templates.get(name)) for name, part in named}


def _weights(form):
    found = dict(zip(form.names, form.weights, strict=True))
    found = {name: each for name, each in found.items() if each is not None}
    return found or None


def _column_transformer(form, template):
    names = getattr(form, "feature_names_in_", None)
    read = {name: own.tolist() for name, own in zip(form.names, form.columns, strict=True)}
    labels = {}
    for name, one in zip(form.names, form.single, strict=True):
        named = form.by_name and names is not None
        own = names[read[name]].tolist() if named else read[name]
        labels[name] = own[0] if one else own
    rest = None
    if template is None:
        rows = [(name, "passthrough", labels[name]) for name in form.names]
        templates = {}
        template = ColumnTransformer(
            rows,
            transformer_weights=_weights(form),
            verbose_feature_names_out=form.verbose_feature_names_out,
        )
    else:
        templates = {name: part for name, part, _ in template.transformers}
        templates["remainder"] = rest = template.remainder
    members = _members(form, templates)
    made = template
    rows = [(name, part, labels.get(name, [])) for name, part, _ in made.transformers]
    made.transformers = rows
    made.transformers_ = [(name, members.get(name, part), own) for name, part, own in rows]
    made._columns = [own for _, _, own in rows]
    made._transformer_to_input_indices = {name: read.get(name, []) for name, *_ in rows}
    made._transformer_to_input_indices["remainder"] = read.get("remainder", [])
    made._remainder = ("remainder", made.remainder, labels.get("remainder", []))
    if rest is not None and "remainder" in members:
        made.transformers_.append(("remainder", members["remainder"], labels["remainder"]))
    made.sparse_output_ = form.sparse_output_
    made.output_indices_ = {name: slice(0, 0) for name, *_ in made.transformers_}
    made.output_indices_["remainder"] = slice(0, 0)
    made.output_indices_ |= form.places()
    if names is not None:
        made.n_features_in_ = form.n_features_in_
        name_features(made, names)
    return made


def name_features(part, names):
    """Set the names of its features on a fitted transformer, and on what it is made of."""
    if isinstance(part, Pipeline):
        for _, step in part.steps:
            name_features(step, names)
            output = getattr(step, "_sklearn_output_config", {}).get("transform", "default")
            if output == "default":
                break  # what follows reads arrays
            names = step.get_feature_names_out(names)
    elif isinstance(part, FeatureUnion):
        for _, inner in part.transformer_list:
            name_features(inner, names)
    elif hasattr(part, "n_features_in_"):
        part.feature_names_in_ = names
        if isinstance(part, ColumnTransformer):
            for name, inner, _ in part.transformers_:
                name_features(inner, names[part._transformer_to_input_indices[name]])


def _feature_union(form, template):
    templates = {} if template is None else dict(template.transformer_list)
    members = _members(form, templates)
    if template is None:
        return FeatureUnion(
            list(members.items()),
            transformer_weights=_weights(form),
            verbose_feature_names_out=form.verbose_feature_names_out,
        )
    template.transformer_list = [
        (name, members.get(name, part)) for name, part in template.transformer_list
    ]
    return template


def _pipeline(form, template):
    templates = {} if template is None else dict(template.steps)
    members = _members(form, templates)
    if template is None:
        return Pipeline(list(members.items()) or [("passthrough", "passthrough")])
    template.steps = [(name, members.get(name, part)) for name, part in template.steps]
    return template


_MAKERS = {
    "Binarizer": _maker(Binarizer, "threshold"),
    "ColumnTransformer": _column_transformer,
    "CountVectorizer": _vectorizer(CountVectorizer),
    "FeatureUnion": _feature_union,
    "Function": _function,
    "Identity": _identity,
    "KBinsDiscretizer": _k_bins_discretizer,
    "MaxAbsScaler": _maker(MaxAbsScaler, "clip"),
    "MinMaxScaler": _min_max_scaler,
    "Normalizer": _maker(Normalizer, "norm"),
    "OneHotEncoder": _one_hot_encoder,
    "OrdinalEncoder": _ordinal_encoder,
    "PCA": _projection(PCA),
    "PolynomialFeatures": _polynomial_features,
    "PowerTransformer": _power_transformer,
    "QuantileTransformer": _maker(QuantileTransformer, "ignore_implicit_zeros"),
    "RobustScaler": _robust_scaler,
    "SimpleImputer": _simple_imputer,
    "StandardScaler": _standard_scaler,
    "Steps": _pipeline,
    "TfidfTransformer": _tfidf_transformer,
    "TfidfVectorizer": _vectorizer(TfidfVectorizer),
    "TruncatedSVD": _projection(TruncatedSVD),
}
