"""Counts of words and characters in texts, and their weights."""

import re
import unicodedata

import numpy as np

from ..frames import CSR, REALS, as_csr
from ..quantized import is_count, need
from .base import CompactTransformer
from .scaling import normalized

_SPACES = re.compile(r"\s\s+")


class CompactCountVectorizer(CompactTransformer):
    """CountVectorizer: how often each term is in a text."""

    _attributes = (
        *("analyzer", "lowercase", "strip_accents", "token_pattern", "binary"),
        *("encoding", "decode_error"),
    )

    @classmethod
    def reason(cls, fitted):
        """Functions of the user, and files as texts, are not stored."""
        for name in ("preprocessor", "tokenizer", "analyzer", "strip_accents"):
            if callable(getattr(fitted, name)):
                return f"{name} is a function"
        return None if fitted.input == "content" else f"input={fitted.input!r}"

    @classmethod
    def of(cls, fitted):
        """The form of a fitted CountVectorizer."""
        made = super().of(fitted)
        made.ngram_range = [int(each) for each in fitted.ngram_range]
        words = fitted.get_stop_words()
        made.stop_words = None if words is None else sorted(words)
        made.dtype = np.dtype(fitted.dtype).str
        vocabulary = fitted.vocabulary_
        made.terms = sorted(vocabulary, key=vocabulary.__getitem__)
        return made

    @property
    def vocabulary_(self):
        """The column of each term."""
        return {term: at for at, term in enumerate(self.terms)}

    def get_stop_words(self):
        """The words that are left out, or None."""
        return None if self.stop_words is None else frozenset(self.stop_words)

    def _make(self):
        tokens = None
        if self.analyzer == "word":
            tokens = re.compile(self.token_pattern).findall
        return self.vocabulary_, tokens, self.get_stop_words()

    def check_attributes(self):
        """Raise ValueError unless the terms are texts, and have a weight each."""
        least, most = self.ngram_range
        need(is_count(least, 1) and is_count(most, least), "ngram_range")
        for texts in (self.terms, self.stop_words or ()):
            need(all(isinstance(each, str) for each in texts), "terms")
        by_words = self.analyzer == "word"
        need(not by_words or isinstance(self.token_pattern, str), "token_pattern")
        need(np.dtype(self.dtype).kind in "biuf", "dtype")
        weights = getattr(self, "idf_", None)
        need(weights is None or len(weights) == len(self.terms), "idf_")

    def _start(self, X):
        return self._apply(X)  # texts have no names

    def _apply(self, X):
        return self._counts(X)

    def _counts(self, X):
        if isinstance(X, str):
            raise ValueError(
                "Iterable over raw text documents expected, string object received. Write "
                "[text]."
            )
        get = self._made()[0].get
        indptr, indices, values = [0], [], []
        for text in X:
            counts = {}
            for term in self._terms_of(text):
                at = get(term)
                if at is not None:
                    counts[at] = counts.get(at, 0) + 1
            own = sorted(counts)
            indices += own
            values += [counts[at] for at in own]
            indptr.append(len(indices))
        data = np.array(values, dtype=self.dtype)
        if self.binary:
            data.fill(1)
        shape = (len(indptr) - 1, len(self.terms))
        return CSR(data, np.array(indices, np.intp), np.array(indptr), shape)

    def _terms_of(self, text):
        """The n-grams of one text."""
        if isinstance(text, bytes):
            text = text.decode(self.encoding, self.decode_error)
        if not isinstance(text, str):
            raise ValueError(
                f"{text!r} is an invalid document, expected byte or unicode string. Fill "
                "missing texts with ''."
            )
        if self.lowercase:
            text = text.lower()
        if self.strip_accents:
            text = _without_accents(text, self.strip_accents)
        least, most = self.ngram_range
        if self.analyzer == "word":
            _, tokens, stops = self._made()
            words = tokens(text)
            if stops is not None:
                words = [word for word in words if word not in stops]
            return words if most == 1 else _joined(words, least, most)
        text = _SPACES.sub(" ", text)
        if self.analyzer == "char":
            return _pieces(text, least, most)
        return [gram for word in text.split() for gram in _inside(f" {word} ", least, most)]

    def get_feature_names_out(self, input_features=None):
        """The terms."""
        return np.array(self.terms, dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags


def _without_accents(text, how):
    if text.isascii():
        return text
    apart = unicodedata.normalize("NFKD", text)
    if how == "ascii":
        return apart.encode("ASCII", "ignore").decode("ASCII")
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def _joined(words, least, most):
    found = list(words) if least == 1 else []
    for size in range(max(least, 2), min(most, len(words)) + 1):
        found += [" ".join(words[at : at + size]) for at in range(len(words) - size + 1)]
    return found


def _pieces(text, least, most):
    return [
        text[at : at + size]
        for size in range(least, min(most, len(text)) + 1)
        for at in range(len(text) - size + 1)
    ]


def _inside(word, least, most):
    """Pieces of a word with a space before and behind it; a short one counts once."""
    for size in range(least, most + 1):
        last = len(word) - size
        for at in range(max(last, 0) + 1):
            yield word[at : at + size]
        if last <= 0:
            break


class CompactTfidfTransformer(CompactTransformer):
    """TfidfTransformer: counts weighted by how rare a term is."""

    _sparse = True
    _attributes = ("norm", "sublinear_tf")

    @classmethod
    def of(cls, fitted):
        """The form of a fitted TfidfTransformer."""
        made = super().of(fitted)
        made.idf_ = fitted.idf_.copy() if hasattr(fitted, "idf_") else None
        return made

    def check_attributes(self):
        """Raise ValueError unless there is a weight for each column."""
        need(self.idf_ is None or len(self.idf_) == self.n_features_in_, "idf_")

    def _apply(self, X):
        return weighted(as_csr(self._ready(X, REALS)), self)


def weighted(X, owner):
    """Counts as a CSR matrix, times the weights of their terms, divided by a norm."""
    kind = X.dtype if X.dtype in REALS else np.float64
    data = X.data.astype(kind)
    if owner.sublinear_tf:
        np.log(data, data)
        data += 1.0
    if owner.idf_ is not None:
        data *= owner.idf_[X.indices]
    X = CSR(data, X.indices, X.indptr, X.shape)
    return X if owner.norm is None else normalized(X, owner.norm)


class CompactTfidfVectorizer(CompactCountVectorizer):
    """TfidfVectorizer: how often each term is in a text, weighted by how rare it is."""

    @classmethod
    def of(cls, fitted):
        """The form of a fitted TfidfVectorizer."""
        made = super().of(fitted)
        made.norm, made.sublinear_tf = fitted.norm, bool(fitted.sublinear_tf)
        made.idf_ = fitted.idf_.copy() if fitted.use_idf else None
        return made

    def _apply(self, X):
        return weighted(self._counts(X), self)
