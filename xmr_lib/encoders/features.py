"""From a :class:`PairedDataset` to :class:`PairedFeatures`, through the cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from xmr_lib.data.base import PairedDataset, PairedFeatures
from xmr_lib.encoders.base import ImageEncoder, TextEncoder
from xmr_lib.encoders.cache import FeatureCache
from xmr_lib.encoders.visual_words import BagOfVisualWords
from xmr_lib.errors import InvalidInput, check_choice

IMAGE_ENCODERS = ("efficientnet-lite0", "efficientnet-lite0-levels", "bovw")
TEXT_ENCODERS = ("minilm", "minilm-layers", "bow", "lda")


def load_image_encoder(
    name: str = "efficientnet-lite0", fit_on: Sequence[Image.Image] | None = None, **options: Any
) -> ImageEncoder:
    """An image encoder by name.

    Args:
        name: ``efficientnet-lite0`` (installed; 1280-d), ``efficientnet-lite0-levels`` (the same net read at three
            depths; 1712-d), ``bovw`` (visual words learnt
            from ``fit_on``), ``torchvision/<model>`` or a CLIP hub name or folder such as
            ``openai/clip-vit-base-patch32`` (these need a connection the first time).
        fit_on: Training pictures, for ``bovw``.
        options: ``size`` for efficientnet-lite0; ``words``, ``patch``, ``size``, ``seed`` for bovw.

    Raises:
        UnknownName: A name without ``/`` that is not among the installed encoders.
        InvalidInput: ``bovw`` without training pictures.
        MissingData: The weights are not here and cannot be downloaded.
    """
    from xmr_lib.encoders import image

    if name.startswith("torchvision/"):
        return image.TorchvisionEncoder(name.removeprefix("torchvision/"), **options)
    if "/" in name or "\\" in name:
        return image.ClipImageEncoder(name, **options)
    check_choice(name, IMAGE_ENCODERS, "image encoder")
    if name == "bovw":
        if fit_on is None:
            raise InvalidInput("The bovw encoder learns its words from training pictures. Pass fit_on=train.images.")
        return BagOfVisualWords(fit_on, **options)
    return {e.name: e for e in (image.EfficientNetLite0, image.EfficientNetLite0Levels)}[name](**options)


def load_text_encoder(name: str = "minilm", fit_on: Sequence[str] | None = None, **options: Any) -> TextEncoder:
    """A text encoder by name.

    Args:
        name: ``minilm`` (installed; 384-d), ``minilm-layers`` (the same read at three depths; 1152-d), ``bow``
            or ``lda`` (learnt from ``fit_on``), or a CLIP hub name or folder.
        fit_on: Training captions, for ``bow`` and ``lda``.
        options: ``words`` for bow; ``topics`` and ``seed`` for lda.

    Raises:
        UnknownName: A name without ``/`` that is not among the installed encoders.
        InvalidInput: ``bow`` or ``lda`` without training captions.
        MissingData: The weights are not here and cannot be downloaded.
    """
    from xmr_lib.encoders import text

    if "/" in name or "\\" in name:
        return text.ClipTextEncoder(name, **options)
    check_choice(name, TEXT_ENCODERS, "text encoder")
    if name.startswith("minilm"):
        return {e.name: e for e in (text.MiniLM, text.MiniLMLayers)}[name](**options)
    if fit_on is None:
        raise InvalidInput(f"The {name} encoder learns its words from training captions. Pass fit_on=train.captions.")
    return text.BagOfWords(fit_on, **options) if name == "bow" else text.LDA(fit_on, **options)


def encode_dataset(
    dataset: PairedDataset,
    image: str | ImageEncoder = "efficientnet-lite0",
    text: str | TextEncoder = "minilm",
    cache: FeatureCache | None = None,
) -> PairedFeatures:
    """Features of all pictures and captions of ``dataset``, in its order; computed once, then read from the cache.

    Args:
        dataset: Pictures and captions. Encode the whole data set and cut splits from the result
            (:func:`encode_split`): pretrained encoders then share one cache entry over all split seeds.
        image: Name or encoder; ``bovw`` is fitted on the pictures of the ``train`` split.
        text: Name or encoder; ``bow`` and ``lda`` are fitted on the captions of the ``train`` split.
        cache: Where to keep them. Default: the user's cache folder.
    """
    if isinstance(text, str):
        learnt = text in ("bow", "lda")
        text_encoder = load_text_encoder(text, dataset.split("train").captions if learnt else None)
    else:
        text_encoder = text
    cache = cache or FeatureCache()
    pictures = encode_images(dataset, image, cache)
    sentences = cache.get(
        {"data": dataset.version, "rows": dataset.n_captions, "side": "text", "encoder": text_encoder.fingerprint},
        lambda: {"features": text_encoder.encode(dataset.captions)},
    )
    return PairedFeatures(
        pictures,
        sentences["features"],
        dataset.caption_image,
        dataset.instances,
        dataset.labels,
        dataset.class_names,
        dataset.name,
    )


def encode_images(
    dataset: PairedDataset, image: str | ImageEncoder = "efficientnet-lite0", cache: FeatureCache | None = None
) -> NDArray[Any]:
    """(n, d_i) features of all pictures of ``dataset``, through the cache; arguments as in :func:`encode_dataset`."""
    if isinstance(image, str):
        encoder = load_image_encoder(image, dataset.split("train").images if image == "bovw" else None)
    else:
        encoder = image
    key = {"data": dataset.version, "rows": dataset.n_images, "side": "image", "encoder": encoder.fingerprint}
    features: NDArray[Any] = (cache or FeatureCache()).get(key, lambda: {"features": encoder.encode(dataset.images)})[
        "features"
    ]
    return features


def encode_split(dataset: PairedDataset, split: str, **options: Any) -> PairedFeatures:
    """Features of one named split (``"train"``, or several joined by ``+``: ``"train+validation"``).

    Args:
        dataset: The whole data set.
        split: As in :meth:`PairedDataset.split`.
        options: Passed to :func:`encode_dataset`.
    """
    features = encode_dataset(dataset, **options)
    return features.subset(dataset.split_indices(split), f"{dataset.name}/{split}")
