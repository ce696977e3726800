"""Texts in ONNX graphs: the counts, labels and scores of scikit-learn, or a refusal."""

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline, make_union

from sklearn_prune.persistence import check_export, to_onnx
from tests.estimators import sk
from tests.persistence.onnx_session import run

pytest.importorskip("onnxruntime")
pytest.importorskip("skl2onnx")
RNG = np.random.default_rng(0)
PARTS = [
    *"aAbB",
    "the",
    "The",
    "don't",
    "café",
    "CAFÉ",
    "x_y",
    "12",
    "½",
    "日本",
    "ß",
    "İz",
]
PARTS += ["cat", "Cats", "dog", "a cat", "I.B.M.", "cat's", "ﬁn", "naïve", "!", "-", "ΟΔΟΣ"]
JOINTS = [" ", "  ", "\t", "\n\x0b", ", ", "", "'", "\xa0"]


def texts(n):
    """Texts of words, of what is no word, and of all sorts of white space."""
    made = ["", " ", "a", "\n"]
    for _ in range(n - len(made)):
        parts = RNG.choice(PARTS, RNG.integers(1, 12))
        made.append("".join(p + RNG.choice(JOINTS) for p in parts))
    return made


TRAINED, ASKED = texts(80), texts(200)
LABELS = np.array([("cat" in text) + ("dog" in text) for text in TRAINED])
PAIRS = {"ngram_range": (1, 2)}
VECTORIZERS = [
    sk.CountVectorizer(),
    sk.CountVectorizer(lowercase=False, binary=True),
    sk.CountVectorizer(**PAIRS, stop_words=["the", "cat"]),
    sk.CountVectorizer(ngram_range=(2, 3), stop_words="english"),
    sk.CountVectorizer(**PAIRS, token_pattern=r"(?u)\b\w+\b"),
    sk.CountVectorizer(**PAIRS, token_pattern=r"[a-zé']+"),
    sk.CountVectorizer(token_pattern=r"\S+"),
    sk.CountVectorizer(vocabulary=["cat", "New York", "a", "dog"]),
    sk.CountVectorizer(**PAIRS, strip_accents="unicode"),
    sk.CountVectorizer(strip_accents="ascii"),
    sk.CountVectorizer(analyzer="char"),
    sk.CountVectorizer(analyzer="char", ngram_range=(2, 4), strip_accents="unicode"),
    sk.CountVectorizer(analyzer="char_wb", **PAIRS),
    sk.TfidfVectorizer(analyzer="char_wb", ngram_range=(4, 6), lowercase=False),
    sk.TfidfVectorizer(**PAIRS, sublinear_tf=True),
    sk.TfidfVectorizer(norm="l1", use_idf=False, max_features=5),
    make_pipeline(sk.CountVectorizer(), sk.TfidfTransformer(norm=None)),
    sk.HashingVectorizer(n_features=32),
    sk.HashingVectorizer(n_features=64, ngram_range=(1, 3), stop_words=["the"], norm=None),
    sk.HashingVectorizer(n_features=16, binary=True, norm="l1"),
    make_union(sk.TfidfVectorizer(), sk.CountVectorizer(analyzer="char", max_features=9)),
]


@pytest.mark.parametrize("step", VECTORIZERS, ids=repr)
def test_texts_are_counted_as_by_scikit_learn(step):
    model = make_pipeline(step, sk.LogisticRegression()).fit(TRAINED, LABELS)
    found = run(to_onnx(model, TRAINED[:1]), np.array(ASKED, dtype=object))
    np.testing.assert_array_equal(found["label"], model.predict(ASKED))
    wanted = model.predict_proba(ASKED)
    np.testing.assert_allclose(found["probabilities"], wanted, atol=1e-12)


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (sk.CountVectorizer(preprocessor=str.lower), "preprocessor"),
        (sk.CountVectorizer(tokenizer=str.split), "tokenizer"),
        (sk.TfidfVectorizer(analyzer=str.split), "analyzer"),
        (sk.CountVectorizer(strip_accents=str.lower), "strip_accents"),
        (sk.CountVectorizer(token_pattern=r"(\w+)'s"), "token_pattern"),
        (sk.CountVectorizer(token_pattern=r"\b[a-z]{3,}\b"), "token_pattern"),
        (sk.CountVectorizer(token_pattern="[a-z ]+", **PAIRS), "spaces"),
        (sk.HashingVectorizer(n_features=32, analyzer="char"), "analyzer='char'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_written_is_refused_by_its_name(step, reason):
    name = type(step).__name__
    model = make_pipeline(sk.FeatureUnion([("words", step)]), sk.LogisticRegression())
    with pytest.raises(TypeError, match=f"(?s){reason}.*featureunion__words.*{name}"):
        to_onnx(model.fit(TRAINED, LABELS), TRAINED[:1])


@pytest.mark.parametrize("rows", [list, np.array, lambda each: np.array(each)[:, None]])
def test_texts_come_in_lists_arrays_and_columns(rows):
    model = make_pipeline(sk.TfidfVectorizer(), sk.LinearSVC()).fit(TRAINED, LABELS)
    graph = to_onnx(model, rows(TRAINED[:1]))
    assert check_export(model, graph, ASKED).n_rows > 264
    asked = np.array(ASKED, dtype=object)
    shape = graph.graph.input[0].type.tensor_type.shape.dim
    found = run(graph, asked[:, None] if len(shape) == 2 else asked)["label"]
    np.testing.assert_array_equal(found, model.predict(ASKED))


def test_texts_in_a_column_of_a_frame():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"text": TRAINED, "kind": ["a", "b"] * 40, "n": range(80)})
    step = make_column_transformer(
        (sk.TfidfVectorizer(**PAIRS), "text"),
        (sk.OneHotEncoder(), ["kind"]),
        remainder="passthrough",
    )
    model = make_pipeline(step, sk.LogisticRegression()).fit(frame, LABELS)
    assert check_export(model, to_onnx(model, frame[:1]), frame).equal
