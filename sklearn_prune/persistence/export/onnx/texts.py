"""Vectorizers of texts as ONNX operators: characters, tokens, n-grams, counts.

Counts are exact for every text: small letters and accents by a table of characters, so that
no locale is asked for; stop words and other tokens that do not count are taken out before
n-grams are formed, as scikit-learn does it.
"""

import re
from functools import cache

import numpy as np
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
    strip_accents_ascii,
    strip_accents_unicode,
)

from sklearn_prune.persistence.export.onnx.rows import Rows

_ML = "ai.onnx.ml"
_PAD = "\ue000\ue001"  # behind the last token of a text; no token is this
_END, _UNKNOWN, _NEVER = -1, 0, -2  # numbers of tokens; the known ones are from 1 on
_SIGMAS = "\u03c3\u03c2"  # inside and at the end of a word
_LETTERS = r"\p{L}\p{N}_"
_SPACES = "".join(filter(str.isspace, map(chr, range(0x3001))))
# What findall with a pattern of Python finds, for RE2, in which \w and \b know ASCII only.
_PATTERNS = {
    r"(?u)\b\w\w+\b": f"[{_LETTERS}][{_LETTERS}]+",
    r"(?u)\b\w+\b": f"[{_LETTERS}]+",
    r"\b\w\w+\b": f"[{_LETTERS}][{_LETTERS}]+",
    r"\b\w+\b": f"[{_LETTERS}]+",
    r"\w+": f"[{_LETTERS}]+",
    r"\w\w+": f"[{_LETTERS}][{_LETTERS}]+",
    r"\S+": f"[^{re.escape(_SPACES)}]+",
}


def _refuse(what, remedy):
    raise TypeError(f"to_onnx cannot write {what}. {remedy}")


def _counts(step, rows):
    """The number of times that each term is in each text."""
    graph = rows.first.graph
    _check(step)
    texts = _prepared(step, rows.first.ravel())
    if step.analyzer == "word":
        grams = {term: tuple(term.split(" ")) for term in step.vocabulary_}
        tokens = _tokens(texts, _pattern(step))
        stops = set(step.get_stop_words() or ())
    else:
        grams = {term: tuple(term) for term in step.vocabulary_}
        tokens, stops = _tokens(texts, "(?s)."), set()
    known = dict.fromkeys(token for gram in grams.values() for token in gram)
    if step.analyzer != "word":
        known |= dict.fromkeys(_SPACES)
    number_of = {token: n for n, token in enumerate(known, 1) if token not in stops}
    keys = [*number_of, *stops, _PAD]
    values = [*number_of.values()] + [_END] * (len(stops) + 1)
    codes = _numbered(tokens, keys, values, _UNKNOWN)
    if step.analyzer == "word":
        least, most = step.ngram_range
        codes = _moved_up(codes) if most > 1 and stops else codes
        _check_terms(step, grams)
    else:
        codes = _single_spaces(codes, number_of)
        least, most = min(map(len, grams.values())), step.ngram_range[1]
        if step.analyzer == "char_wb":
            codes = _words(codes, number_of)
        else:
            least = step.ngram_range[0]
    found = _n_grams(codes, step, grams, number_of, least, most)
    found = found.cast(np.float64 if graph.float == np.float64 else np.float32)
    return found.minimum(1.0) if step.binary else found


def _check(step):
    """Raise TypeError for functions of the user."""
    for name in ("preprocessor", "tokenizer"):
        if getattr(step, name) is not None:
            _refuse(f"a function as {name} of texts", f"Write {name}=None.")
    if callable(step.analyzer):
        _refuse("a function as analyzer of texts", 'Write analyzer="word".')
    if callable(step.strip_accents):
        _refuse("a function as strip_accents", 'Write strip_accents="unicode".')
    if step.input != "content":
        _refuse(f"texts of input={step.input!r}", 'Write input="content".')


def _check_terms(step, grams):
    """Raise TypeError if a term may be tokens of several kinds."""
    tokenize = step.build_tokenizer()
    for term, gram in grams.items():
        if len(gram) > 1 and any(tokenize(token) != [token] for token in gram):
            _refuse(
                f"n-grams of tokens with spaces, such as {term!r}",
                "Write a token_pattern without spaces.",
            )


@cache
def _table(lowercase, accents):
    """What each character becomes, where it is another one."""
    strip = {"unicode": strip_accents_unicode, "ascii": strip_accents_ascii}.get(accents)
    found = {}
    for code in range(0x30000):
        character = chr(code)
        if 0xD800 <= code < 0xE000:
            continue
        changed = character.lower() if lowercase else character
        changed = strip(changed) if strip else changed
        if changed != character and (accents != "ascii" or changed):
            found[character] = changed
    return found


def _prepared(step, texts):
    """Texts in small letters and without accents, as asked for."""
    accents = step.strip_accents
    if not step.lowercase and accents is None:
        return texts
    graph = texts.graph
    table = dict(_table(bool(step.lowercase), accents))
    if accents == "ascii":  # all other characters go
        table |= {chr(n): table.get(chr(n), chr(n)) for n in range(128)}
        table[_PAD] = ""
    characters = _tokens(texts, "(?s).")
    found = graph.node(
        "LabelEncoder",
        [characters],
        domain=_ML,
        keys_strings=[*table, _PAD] if accents != "ascii" else [*table],
        values_strings=[*table.values(), ""] if accents != "ascii" else [*table.values()],
        default_string="" if accents == "ascii" else _PAD,
    )
    if accents != "ascii":
        other = _numbered(found, [_PAD], [1], 0).cast(bool)
        found = graph.node("Where", [other, characters, found])
    terms = getattr(step, "vocabulary_", _SIGMAS)
    if (
        step.lowercase
        and accents != "ascii"
        and any(c in t for t in terms for c in _SIGMAS)
    ):
        found = _with_final_sigma(characters, found)
    return _concatenated(found)


@cache
def _cases():
    """Characters that have a case (2), and those that are skipped to find it (1)."""
    found = {}
    for character in map(chr, (*range(0xD800), *range(0xE000, 0x30000))):
        if f"aΣ{character}".lower()[1] == _SIGMAS[0]:
            found[character] = 2
        elif f"aΣ{character}a".lower()[1] == _SIGMAS[0]:
            found[character] = 1
    return found


def _with_final_sigma(characters, found):
    """The other small sigma in place of a capital one at the end of a word."""
    graph, cases = characters.graph, _cases()
    kinds = _numbered(characters, cases, cases.values(), 0)
    kept = graph.node("Not", [kinds.equals(np.int64(1))], dtype=bool)
    axis = graph.constant(np.array(1, dtype=np.int64))
    ranks = graph.node("CumSum", [kept.cast(np.int64), axis]) - np.int64(1)
    ranks = ranks.maximum(np.int64(0))
    kinds = graph.node("GatherElements", [kinds, _order(kept)], axis=1)
    before, after = (
        graph.node("GatherElements", [_shifted(kinds, by), ranks], axis=1) for by in (1, -1)
    )
    last = graph.node("And", [before.equals(np.int64(2)), after < np.int64(2)], dtype=bool)
    sigma = _numbered(characters, ["Σ"], [1], 0).cast(bool)
    last = graph.node("And", [sigma, last], dtype=bool)
    return graph.node(
        "Where", [last, graph.constant(np.array(_SIGMAS[1], dtype=object)), found]
    )


def _concatenated(characters):
    """Texts of their characters, which are joined two by two."""
    from onnx import TensorProto, helper

    graph = characters.graph
    empty = helper.make_tensor("empty", TensorProto.STRING, [1, 1], [b""])
    prefix = graph.fresh("pairs") + "_"

    def node(op, inputs, output, **attributes):
        names = [prefix + name for name in inputs.split()]
        return helper.make_node(op, names, [prefix + output], **attributes)

    part = [
        node("Constant", "", "empty", value=empty),
        node("Shape", "all", "n_rows", start=0, end=1),
        node("Constant", "", "one", value_ints=[1]),
        node("Concat", "n_rows one", "shape", axis=0),
        node("Expand", "empty shape", "column"),
        node("Concat", "all column", "padded", axis=1),
        node("Shape", "padded", "width", start=1, end=2),
        node("Constant", "", "two", value_ints=[2]),
        node("Div", "width two", "half"),
        node("Mul", "half two", "even"),
        node("Constant", "", "zero", value_ints=[0]),
        node("Slice", "padded zero even one two", "first"),
        node("Slice", "padded one even one two", "second"),
        node("StringConcat", "first second", "joined"),
        node("Greater", "half one", "goes"),
        node("Squeeze", "goes", "on"),
    ]
    text, number = TensorProto.STRING, TensorProto.BOOL
    body = helper.make_graph(
        part,
        "pairs",
        [
            helper.make_tensor_value_info(prefix + "step", TensorProto.INT64, []),
            helper.make_tensor_value_info(prefix + "before", number, []),
            helper.make_tensor_value_info(prefix + "all", text, [None, None]),
        ],
        [
            helper.make_tensor_value_info(prefix + "on", number, []),
            helper.make_tensor_value_info(prefix + "joined", text, [None, None]),
        ],
    )
    always = graph.constant(np.array(True))
    many = graph.constant(np.array(64, dtype=np.int64))
    found = graph.node("Loop", [many, always, characters], dtype=object, ndim=2, body=body)
    return found.ravel()


def _pattern(step):
    """The pattern of tokens for RE2."""
    pattern = step.token_pattern
    if pattern in _PATTERNS:
        return _PATTERNS[pattern]
    plain = pattern.removeprefix("(?u)")
    if re.compile(pattern).groups or re.search(r"\\[bBWDSAZ]|\(\?", plain):
        _refuse(
            f"token_pattern={pattern!r}, which means something else in onnxruntime",
            r"Write the default, or a pattern without groups and \b.",
        )
    # Classes of characters, inside brackets or by themselves.
    inside, found, place = False, "", 0
    classes = {r"\w": _LETTERS, r"\d": r"\p{Nd}", r"\s": re.escape(_SPACES)}
    while place < len(plain):
        part = plain[place : place + 2]
        if part in classes:
            found += classes[part] if inside else f"[{classes[part]}]"
        elif part[0] == "\\":
            found += part
        else:
            part = part[0]
            inside = (inside or part == "[") and part != "]"
            found += part
        place += len(part)
    return found


def _tokens(texts, pattern):
    """Tokens of each text, padded; at least one column."""
    graph = texts.graph
    found = graph.node(
        "Tokenizer",
        [texts],
        ndim=texts.ndim + 1,
        domain="com.microsoft",
        mark=0,
        mincharnum=1,
        pad_value=_PAD,
        tokenexp=pattern,
    )
    shape = graph.node("Shape", [texts], dtype=np.int64, ndim=1)
    one = graph.constant(np.array([1], dtype=np.int64))
    pad = graph.constant(np.array(_PAD, dtype=object))
    shape = graph.node("Concat", [shape, one], dtype=np.int64, ndim=1, axis=0)
    column = graph.node("Expand", [pad, shape], dtype=object, ndim=found.ndim)
    return graph.node("Concat", [found, column], axis=found.ndim - 1)


def _numbered(tokens, keys, values, default):
    return tokens.graph.node(
        "LabelEncoder",
        [tokens],
        dtype=np.int64,
        domain=_ML,
        keys_strings=list(keys),
        values_int64s=[int(each) for each in values],
        default_int64=default,
    )


def _order(kept):
    """Positions of what is kept of each row, and of one that is not behind them."""
    graph = kept.graph
    axis = graph.constant(np.array(1, dtype=np.int64))
    ranks = graph.node("CumSum", [kept.cast(np.int64), axis]) - np.int64(1)
    last = graph.node("Shape", [kept], dtype=np.int64, ndim=1, start=1, end=2) - np.int64(1)
    ranks = graph.where(kept, ranks, last)
    numbers = graph.node("CumSum", [ranks * np.int64(0) + np.int64(1), axis]) - np.int64(1)
    start = ranks * np.int64(0) + last
    return graph.node("ScatterElements", [start, ranks, numbers], axis=1)


def _moved_up(codes):
    """Numbers of tokens without those that do not count, which go behind the last."""
    kept = codes > np.int64(_END)
    order = _order(kept)
    found = codes.graph.node("GatherElements", [codes, order], axis=1)
    n_kept = kept.cast(np.int64).sum(1, keepdims=True)
    axis = codes.graph.constant(np.array(1, dtype=np.int64))
    place = codes.graph.node("CumSum", [found * np.int64(0) + np.int64(1), axis])
    return codes.graph.where(place > n_kept, np.int64(_END), found)


def _shifted(codes, by):
    """The codes one place to the right or left, with an end where there is none."""
    graph = codes.graph
    column = codes.take([0], axis=1) * np.int64(0) + np.int64(_END)
    parts = [column, codes] if by > 0 else [codes, column]
    joined = graph.node("Concat", parts, axis=1)
    far = np.iinfo(np.int64).max
    limits = (0, -1, 1) if by > 0 else (1, far, 1)
    limits = [graph.constant(np.array([each], dtype=np.int64)) for each in limits]
    return graph.node("Slice", [joined, *limits])


def _are_spaces(codes, number_of):
    spaces = np.array([number_of[each] for each in _SPACES], dtype=np.int64)
    low, high = spaces.min(), spaces.max()
    if high - low + 1 == len(spaces):
        both = [codes >= np.int64(low), codes <= np.int64(high)]
        return codes.graph.node("And", both, dtype=bool)
    same = codes.reshape(0, 0, 1).equals(spaces[None, None, :]).cast(np.int64)
    return same.sum(2) > np.int64(0)


def _single_spaces(codes, number_of):
    """One space in place of several characters of white space."""
    graph = codes.graph
    space = _are_spaces(codes, number_of)
    before = _are_spaces(_shifted(codes, 1), number_of)
    after = _are_spaces(_shifted(codes, -1), number_of)
    first = graph.node("And", [space, after], dtype=bool)
    codes = graph.where(first, np.int64(number_of[" "]), codes)
    again = graph.node("And", [space, before], dtype=bool)
    return _moved_up(graph.where(again, np.int64(_END), codes))


def _words(codes, number_of):
    """Each word between two spaces, with an end behind it."""
    graph = codes.graph
    space = number_of[" "]
    white = _are_spaces(codes, number_of)
    letter = graph.node("Not", [white], dtype=bool)
    letter = graph.node("And", [letter, codes > np.int64(_END)], dtype=bool)
    inside = graph.where(letter, codes, np.int64(_END))
    starts = graph.node(
        "And", [letter, _shifted(inside, 1).equals(np.int64(_END))], dtype=bool
    )
    ends = graph.node(
        "And", [letter, _shifted(inside, -1).equals(np.int64(_END))], dtype=bool
    )
    end = graph.constant(np.int64(_END))
    around = [
        graph.where(
            part, graph.constant(np.int64(space)), graph.constant(np.int64(_UNUSED))
        )
        for part in (starts, ends)
    ]
    breaks = graph.where(ends, end, graph.constant(np.int64(_UNUSED)))
    inside = graph.where(letter, codes, graph.constant(np.int64(_UNUSED)))
    parts = [part.reshape(0, 0, 1) for part in (around[0], inside, around[1], breaks)]
    joined = graph.node("Concat", parts, axis=2).reshape(0, -1)
    kept = joined > np.int64(_UNUSED)
    return graph.node("GatherElements", [joined, _order(kept)], axis=1)


_UNUSED = -9


def _n_grams(codes, step, grams, number_of, least, most):
    """Counts of the n-grams of the vocabulary, of shape (n_samples, n_terms)."""
    graph = codes.graph
    column_of = {
        tuple(number_of.get(token, _NEVER) for token in gram): step.vocabulary_[term]
        for term, gram in grams.items()
        if least <= len(gram) <= most
    }
    n_terms = max(step.vocabulary_.values()) + 1
    left = set(range(n_terms)) - set(column_of.values())
    column_of |= {(_NEVER - 1 - number,): number for number in left}
    least = 1 if left else least
    ordered = sorted(column_of, key=len)
    starts, pool = [], []
    for length in range(1, most + 1):
        starts.append(len(pool))
        pool += [token for gram in ordered if len(gram) == length for token in gram]
    return graph.node(
        "TfIdfVectorizer",
        [codes],
        dtype=np.float32,
        mode="TF",
        min_gram_length=least,
        max_gram_length=most,
        max_skip_count=0,
        ngram_counts=starts,
        ngram_indexes=[column_of[gram] for gram in ordered],
        pool_int64s=pool,
    )


def _weighted(step, counts):
    """Counts times how rare a term is, divided by the norm of the row."""
    graph = counts.graph
    if step.sublinear_tf:
        some = counts > 0.0
        logs = graph.where(some, counts, graph.value(1.0, like=counts)).log() + 1.0
        counts = graph.where(some, logs, counts)
    if step.use_idf:
        counts = counts * step.idf_
    if step.norm is None:
        return counts
    squares = counts * counts if step.norm == "l2" else counts.abs()
    norm = squares.sum(1, keepdims=True)
    norm = norm.sqrt() if step.norm == "l2" else norm
    return counts / graph.where(norm.equals(0.0), graph.value(1.0, like=norm), norm)


def _count_vectors(step, rows):
    return Rows([_counts(step, rows)])


def _tfidf_vectors(step, rows):
    return Rows([_weighted(step, _counts(step, rows))])


def _tfidf(step, rows):
    return Rows([_weighted(step, rows.array().as_float())])


def _hashed(step, rows):
    """Signed counts of hashes of n-grams of words."""
    graph = rows.first.graph
    _check(step)
    if step.analyzer != "word":
        _refuse(
            f"HashingVectorizer with analyzer={step.analyzer!r}", "Write CountVectorizer."
        )
    tokens = _tokens(_prepared(step, rows.first.ravel()), _pattern(step))
    stops = sorted(step.get_stop_words() or ())
    kept = _numbered(tokens, [*stops, _PAD], [0] * (len(stops) + 1), 1).cast(bool)
    if stops:
        order = _order(kept)
        n_kept = kept.cast(np.int64).sum(1, keepdims=True)
        tokens = graph.node("GatherElements", [tokens, order], axis=1)
        axis = graph.constant(np.array(1, dtype=np.int64))
        place = graph.node("CumSum", [order * np.int64(0) + np.int64(1), axis])
        kept = place <= n_kept
    total = None
    least, most = step.ngram_range
    gram, valid = tokens, kept
    for length in range(1, most + 1):
        if length > 1:
            gram = graph.node(
                "StringConcat", [gram, graph.constant(np.array(" ", dtype=object))]
            )
            gram = graph.node("StringConcat", [gram, _later(tokens, length - 1, _PAD)])
            more = _later(kept, length - 1, False)
            valid = graph.node("And", [valid, more], dtype=bool)
        if length >= least:
            own = _hashes(step, gram, valid)
            total = own if total is None else total + own
    if step.binary:
        total = (total > 0.0).cast(total.dtype)
    if step.norm is None:
        return Rows([total])
    squares = total * total if step.norm == "l2" else total.abs()
    norm = squares.sum(1, keepdims=True)
    norm = norm.sqrt() if step.norm == "l2" else norm
    return Rows([total / graph.where(norm.equals(0.0), graph.value(1.0, like=norm), norm)])


def _later(values, by, fill):
    """What stands some places later in each row."""
    graph = values.graph
    shape = graph.node("Shape", [values], dtype=np.int64, ndim=1, start=0, end=1)
    many = graph.constant(np.array([by], dtype=np.int64))
    shape = graph.node("Concat", [shape, many], axis=0)
    fill = graph.constant(np.array(fill, dtype=object if isinstance(fill, str) else bool))
    column = graph.node("Expand", [fill, shape], dtype=values.dtype, ndim=2)
    joined = graph.node("Concat", [values, column], axis=1)
    far = np.iinfo(np.int64).max
    limits = [graph.constant(np.array([each], dtype=np.int64)) for each in (by, far, 1)]
    return graph.node("Slice", [joined, *limits])


def _hashes(step, grams, valid):
    """Sums of the signs of n-grams in the column of their hash."""
    graph = grams.graph
    code = graph.node(
        "MurmurHash3",
        [grams],
        dtype=np.int32,
        domain="com.microsoft",
        positive=0,
        seed=0,
    ).cast(np.int64)
    width = step.n_features
    column = code.abs()
    rest = graph.node("Mod", [column, graph.constant(np.int64(width))])
    signs = (code >= np.int64(0)).cast(graph.float) * 2.0 - 1.0
    if not step.alternate_sign or step.binary:
        signs = signs * 0.0 + 1.0
    signs = graph.where(valid, signs, graph.value(0.0, like=signs))
    shape = graph.node("Shape", [grams], dtype=np.int64, ndim=1, start=0, end=1)
    many = graph.constant(np.array([width], dtype=np.int64))
    shape = graph.node("Concat", [shape, many], axis=0)
    zero = graph.constant(np.array(0.0, dtype=graph.float))
    zeros = graph.node("Expand", [zero, shape], ndim=2)
    return graph.node("ScatterElements", [zeros, rest, signs], axis=1, reduction="add")


TEXTS = {
    CountVectorizer: _count_vectors,
    TfidfVectorizer: _tfidf_vectors,
    TfidfTransformer: _tfidf,
    HashingVectorizer: _hashed,
}
