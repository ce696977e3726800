"""Containers of several models: per class, per pair, per output, in a chain, in a vote."""

from dataclasses import replace

import numpy as np
from scipy.sparse import csr_matrix, hstack, issparse
from sklearn.base import clone, is_regressor
from sklearn.model_selection import cross_val_predict
from sklearn.preprocessing import LabelBinarizer, LabelEncoder
from sklearn.utils import Bunch, check_array

from sklearn_prune import predictors as compact_forms
from sklearn_prune._meta import weight_parameter
from sklearn_prune._seeds import seeded_globals
from sklearn_prune.models.containers.base import (
    ContainerFamily,
    NamedMembersFamily,
    params_for,
    restore_member,
    unfrozen,
)
from sklearn_prune.models.readers import inner_estimator, voting_weights
from sklearn_prune.predictors import copy_attributes
from sklearn_prune.weight_pruning import Refused


class _SameModelFamily(ContainerFamily):
    """Members that are clones of one `estimator`."""

    def _inside(self, model, context, **changes):
        params = params_for(model, "estimator", context.fit_params)
        return replace(context, fit_params=params, **changes)

    def _restored(self, compact, template):
        """A clone of the template with members; what it has fitted besides is missing."""
        model = clone(template)
        inner = template.estimator
        model.estimators_ = [restore_member(member, inner) for member in compact.members_]
        return copy_attributes(compact, model, "n_features_in_", "feature_names_in_")


def _estimator(container):
    return container.estimator


class OneVsRestFamily(_SameModelFamily):
    """OneVsRestClassifier: each member on its own class against the rest."""

    def places(self, model, context):
        columns = model.label_binarizer_.transform(context.y)
        columns = columns.tocsc() if issparse(columns) else csr_matrix(columns).tocsc()
        for number, fitted in enumerate(model.estimators_):
            y = columns[:, [number]].toarray().ravel()
            yield fitted, _estimator, self._inside(model, context, y=y)

    def assemble(self, work, compacts):
        binarizer = work.model.label_binarizer_
        return compact_forms.CompactOneVsRest.around(
            compacts,
            work.model,
            methods_=[score_method(member) for member in compacts],
            target_=binarizer.y_type_,
            sparse_target_=binarizer.sparse_input_,
        )

    def restore(self, compact, template):
        model = self._restored(compact, template)
        model.classes_ = compact.classes_
        binarizer = LabelBinarizer(sparse_output=True)
        binarizer.classes_, binarizer.y_type_ = compact.classes_, compact.target_
        binarizer.sparse_input_ = compact.sparse_target_
        model.label_binarizer_ = binarizer
        return model


class OneVsOneFamily(_SameModelFamily):
    """OneVsOneClassifier: each member on the rows of its pair of classes."""

    def accepts(self, model):
        return self.holds(model) and super().accepts(model)

    def holds(self, model):
        if getattr(model, "pairwise_indices_", None) is not None:
            return Refused("its members read a kernel matrix")
        return super().holds(model)

    def places(self, model, context):
        X = check_array(context.X, accept_sparse=["csr", "csc"], ensure_all_finite=False)
        X = X.tocsr() if issparse(X) else X
        y = np.asarray(context.y).ravel()
        inside = self._inside(model, context, X=X, y=y)
        for fitted, (first, second) in zip(
            model.estimators_, compact_forms.pairs(len(model.classes_)), strict=True
        ):
            positive = y == model.classes_[second]
            rows = np.flatnonzero(positive | (y == model.classes_[first]))
            pair = inside.on(rows)
            yield fitted, _estimator, replace(pair, y=positive[rows].astype(int))

    def assemble(self, work, compacts):
        methods = [score_method(member) for member in compacts]
        return compact_forms.CompactOneVsOne.around(compacts, work.model, methods_=methods)

    def restore(self, compact, template):
        model = self._restored(compact, template)
        model.classes_, model.pairwise_indices_ = compact.classes_, None
        return model


class OutputCodeFamily(_SameModelFamily):
    """OutputCodeClassifier: each member on its bit of the code of the classes."""

    def places(self, model, context):
        codes = model.code_book_[np.searchsorted(model.classes_, context.target)]
        for number, fitted in enumerate(model.estimators_):
            y = codes[:, number].astype(int)
            yield fitted, _estimator, self._inside(model, context, y=y)

    def assemble(self, work, compacts):
        return compact_forms.CompactOutputCode.around(
            compacts,
            work.model,
            methods_=[score_method(member) for member in compacts],
            code_book_=work.model.code_book_,
        )

    def restore(self, compact, template):
        model = self._restored(compact, template)
        model.classes_, model.code_book_ = compact.classes_, compact.code_book_
        return model


class MultiOutputFamily(_SameModelFamily):
    """MultiOutputClassifier and -Regressor: each member on a column of y."""

    def places(self, model, context):
        Y = np.asarray(context.y)
        for number, fitted in enumerate(model.estimators_):
            yield fitted, _estimator, self._inside(model, context, y=Y[:, number])

    def assemble(self, work, compacts):
        kind = compact_forms.CompactMultiRegressor
        if hasattr(work.model, "classes_"):
            kind = compact_forms.CompactMultiClassifier
        return kind.around(compacts, work.model)

    def restore(self, compact, template):
        model = self._restored(compact, template)
        return copy_attributes(compact, model, "classes_")


class ChainFamily(_SameModelFamily):
    """ClassifierChain and RegressorChain: each member also reads the outputs before it.

    These are the true ones, as in the first fit, or with `cv` out-of-fold predictions of
    the unpruned members.
    """

    def places(self, model, context):
        X = check_array(context.X, accept_sparse="csr")
        Y = np.asarray(context.y)[:, model.order_]
        method = getattr(model, "chain_method_", "predict")
        earlier = np.zeros((len(Y), 0))
        for number, fitted in enumerate(model.estimators_):
            augmented = hstack([X, earlier], format="csr") if issparse(X) else None
            if augmented is None:
                augmented = np.hstack([X, earlier])
            y = Y[:, number]
            yield fitted, _estimator, self._inside(model, context, X=augmented, y=y)
            output = y
            if model.cv is not None and number < Y.shape[1] - 1:
                unfitted = clone(unfrozen(fitted))
                with seeded_globals(unfitted, context.seed):
                    output = cross_val_predict(
                        unfitted, augmented, y, cv=model.cv, method=method
                    )
                output = output[:, 1] if output.ndim > 1 else output
            earlier = np.column_stack([earlier, output])

    def assemble(self, work, compacts):
        kind = compact_forms.CompactRegressorChain
        if hasattr(work.model, "classes_"):
            kind = compact_forms.CompactClassifierChain
        return kind.around(
            compacts,
            work.model,
            order_=np.array(work.model.order_),
            method_=getattr(work.model, "chain_method_", "predict"),
        )

    def restore(self, compact, template):
        model = self._restored(compact, template)
        model.order_ = compact.order_
        if hasattr(compact, "classes_"):
            model.classes_, model.chain_method_ = compact.classes_, compact.method_
        return model


class BaggedModelsFamily(_SameModelFamily):
    """BaggingClassifier and -Regressor of any model: each member on the rows it drew."""

    def inner_models(self, model):
        return [getattr(model, "estimator_", inner_estimator(model))]

    def named_inner(self, estimator):
        return {"estimator": inner_estimator(estimator)}

    def from_scratch(self, estimator, size):
        """Smaller members, or fewer where these cannot be made smaller."""
        smaller = super().from_scratch(estimator, size)
        if smaller is not None:
            return smaller
        fewer = max(1, round(estimator.n_estimators * size.share))
        return clone(estimator).set_params(n_estimators=fewer)

    def places(self, model, context):
        X = check_array(context.X, accept_sparse="csr", ensure_all_finite=False)
        y = context.target
        if hasattr(model, "classes_"):
            y = np.searchsorted(model.classes_, y)
        inside = self._inside(model, context, X=X, y=y)
        # Weights of rows were the probabilities of drawing them.
        params = {k: v for k, v in inside.fit_params.items() if k != "sample_weight"}
        inside = replace(inside, fit_params=params)
        name = weight_parameter(unfrozen(model.estimator_))

        drawn = model.estimators_samples_
        for fitted, rows, columns in zip(
            model.estimators_, drawn, model.estimators_features_, strict=True
        ):
            if context.is_frozen:
                own = inside
                known = getattr(unfrozen(fitted), "classes_", None)
                if known is not None:  # not every class was drawn
                    own = inside.on(np.flatnonzero(np.isin(y, known)))
            elif name is None:
                own = inside.on(rows)
            else:
                counts = np.bincount(rows, minlength=len(y))
                own = replace(inside, fit_params={**params, name: counts})
            if not np.array_equal(columns, np.arange(X.shape[1])):
                own = replace(own, X=own.X[:, columns])
            yield fitted, inner_estimator, own

    def assemble(self, work, compacts):
        kind = compact_forms.CompactBaggedRegressor
        if hasattr(work.model, "classes_"):
            kind = compact_forms.CompactBaggedClassifier
        columns = [
            None if np.array_equal(own, np.arange(work.model.n_features_in_)) else own
            for own in work.model.estimators_features_
        ]
        return kind.around(compacts, work.model, columns_=columns)

    def restore(self, compact, template):
        model = clone(template)
        inner = inner_estimator(template)
        model.estimator_ = clone(inner)
        model.estimators_ = [restore_member(member, inner) for member in compact.members_]
        copy_attributes(compact, model, "n_features_in_", "feature_names_in_")
        model.estimators_features_ = [
            np.arange(compact.n_features_in_) if own is None else own
            for own in compact.columns_
        ]
        model.n_estimators = len(model.estimators_)
        if hasattr(compact, "classes_"):
            model.classes_, model.n_classes_ = compact.classes_, len(compact.classes_)
        return model


class VotingFamily(NamedMembersFamily):
    """VotingClassifier and VotingRegressor: each member on all rows."""

    def assemble(self, work, compacts):
        model = work.model
        weights = voting_weights(model)
        if not hasattr(model, "classes_"):
            kind = compact_forms.CompactVotingRegressor
        elif model.voting == "soft":
            kind = compact_forms.CompactSoftVoting
        else:
            kind = compact_forms.CompactHardVoting
        weights = None if weights is None else np.asarray(weights, dtype=np.float64)
        return kind.around(compacts, model, weights_=weights)

    def restore(self, compact, template):
        model = clone(template)
        restored = []
        model.named_estimators_ = Bunch()
        for name, inner in template.estimators:
            if inner != "drop":
                inner = restore_member(compact.members_[len(restored)], inner)
                restored.append(inner)
            model.named_estimators_[name] = inner
        model.estimators_ = restored
        copy_attributes(compact, model, "feature_names_in_")
        if hasattr(compact, "classes_"):
            model.classes_ = compact.classes_
            model.le_ = copy_attributes(compact, LabelEncoder(), "classes_")
        return model


def score_method(member):
    """The method whose output tells the positive class from the other."""
    if is_regressor(member):
        return "predict"
    return "decision_function" if hasattr(member, "decision_function") else "predict_proba"
