"""From pixels: any deep hashing method on towers that read pictures and sentences, trained together with it.

Lessons 09 to 11 hash frozen features. The papers train the towers too: DCHMT and DSPH both towers of CLIP ViT-B/32,
DCMH and SSAH a CNN-F with a new last layer, DCHUC an AlexNet. Each of the eight deep systems here becomes such a system
by one composition:

    pixels (b, 3, h, w) -> image tower -> features -> the method's own network -> the method's own loss
    tokens (b, length)  -> text tower  -> features ->

The features are the projected vectors of the towers before they are divided by their length, as in the released code
of DCHMT and DSPH.

Who trains what. A player of the method that owns a part of its image tower trains the picture tower as well, with a
rate of its own, and so for text. A player that only looks at a side (the discriminators of SSAH) sees features without
a gradient. All else is the method's: its turns, batches, schedules, codes in closed form.

What still sees the first features. Before training the towers code all training pairs once. From these features come
the scaling at the input (``standardise``), the graphs and codes of UDCMH, and the teacher of HMAH, which learns before
the students do. Outputs that a method remembers (DCMH, DCHUC) are as old as the pair's last turn, as always.

What differs from the papers. DCHMT, DSPH: see their files; with the defaults here both towers of CLIP are trained as
there, on texts of up to CLIP's 77 tokens where their code cuts at 32. CNN-F and AlexNet, and their weights from
ImageNet, are not part of this library: ``start=None`` takes fresh towers of our own kinds for them, or any fitted dual
tower takes their place. DCMH's paper hands word counts to its text layers; a text tower reads the sentence itself. No
pictures are cropped or flipped at random.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from xmr_lib.data.base import PairedDataset, PairedFeatures
from xmr_lib.errors import InvalidInput
from xmr_lib.methods.base import Matrix
from xmr_lib.methods.dual_tower.clip import CLIP, TEXT_BASE, VIT_B_32
from xmr_lib.methods.hashing.base import Codes, HashingMethod, hashing_pairs
from xmr_lib.methods.hashing.bicmr import BiCMR
from xmr_lib.methods.hashing.dchmt import DCHMT
from xmr_lib.methods.hashing.dchuc import DCHUC
from xmr_lib.methods.hashing.dcmh import DCMH
from xmr_lib.methods.hashing.dsph import DSPH
from xmr_lib.methods.hashing.hmah import HMAH
from xmr_lib.methods.hashing.neural import NeuralHashing
from xmr_lib.methods.hashing.pixel_network import (
    TOWERS,
    dataset_features,
    first_towers,
    inputs_of,
    on_towers,
    tower_features,
)
from xmr_lib.methods.hashing.ssah import SSAH
from xmr_lib.methods.hashing.udcmh import UDCMH
from xmr_lib.methods.towers import (
    COURSE_IMAGE,
    COURSE_TEXT,
    SMOKE_IMAGE,
    SMOKE_TEXT,
    Settings,
    TowerMethod,
    check_pictures,
)
from xmr_lib.players import History, Player
from xmr_lib.processes import accelerator_for

DEEP = (BiCMR, DCHMT, DCHUC, DCMH, DSPH, HMAH, SSAH, UDCMH)
STARTED_SHARE = 0.01  # of a player's rate, for towers that were trained before: 1e-5 beside 1e-3 in DCHMT and DSPH


class FromPixels(HashingMethod):
    """A deep hashing method that reads pictures and sentences, trained end to end.

        FromPixels(DCHMT(**DCHMT.preset("paper"))).fit(train)       the papers' way, on CLIP ViT-B/32 from the hub
        FromPixels(DCHMT(bits=32), start="clip").fit(train)         on what ``xmr train clip --out clip`` stored
        FromPixels(DCHMT(bits=32)).fit(train, start=clip)           on a fitted CLIP or ALIGN
        FromPixels(DCMH(bits=32), start=None, image=..., text=...)  on fresh towers

    ``clone`` hands what is not its own to the method: ``clone(bits=16)``.

    Args:
        method: One of the eight deep systems, unfitted.
        start: First weights of the towers: the hub name of a CLIP, or a folder (of ``transformers``, or of a CLIP or
            ALIGN that was saved). None: fresh towers.
        image, text, dim: Settings of fresh towers, see :class:`xmr_lib.methods.dual_tower.CLIP`.
        tower_lr: Highest learning rate of the towers, with the schedule of the player that trains them. None: that
            player's own rate for fresh towers, a hundredth of it for others.
        freeze: The towers stay as they are: the method on the features that training starts with.
        seed: Of the method and of fresh towers. None: the method's.

    Attributes:
        towers_: The trained towers, as a dual tower of the class of ``start`` (or CLIP): features, tokenizer, pixels.
        hashing_: The trained method on their features, an ordinary one: ``hashing_.certainty(...)`` and all else.
    """

    parts: ClassVar[Mapping[str, Any]] = {"method": DEEP, "hashing_": DEEP, "towers_": TOWERS}
    towers_: TowerMethod
    hashing_: NeuralHashing

    def __init__(
        self,
        method: NeuralHashing,
        start: str | None = "openai/clip-vit-base-patch32",
        image: Settings = VIT_B_32,
        text: Settings = TEXT_BASE,
        dim: int = 512,
        tower_lr: float | None = None,
        freeze: bool = False,
        seed: int | None = None,
    ) -> None:
        self.method = method
        self.start = start
        self.image = image
        self.text = text
        self.dim = dim
        self.tower_lr = tower_lr
        self.freeze = freeze
        self.seed = seed

    @classmethod
    def preset(cls, profile: str) -> dict[str, Any]:
        """``paper``: the defaults. ``course``, ``smoke``: without the hub; small fresh towers, or ``fit(start=...)``.

        For the method take its own preset: ``FromPixels(DCHMT(**DCHMT.preset(p)), **FromPixels.preset(p))``.
        """
        if profile == "paper":
            return {}
        if profile == "smoke":
            return {"start": None, "image": SMOKE_IMAGE, "text": SMOKE_TEXT, "dim": 32}
        return {"start": None, "image": COURSE_IMAGE, "text": COURSE_TEXT, "dim": 128}

    def clone(self, **changes: Any) -> Self:
        """An unfitted copy; changes that are no parameters of this class are the method's."""
        own = inspect.signature(type(self)).parameters
        inner = {key: value for key, value in changes.items() if key not in own}
        changes = {key: value for key, value in changes.items() if key in own}
        method = changes.pop("method", self.method).clone(**inner)
        return super().clone(method=method, **changes)

    @property
    def name(self) -> str:
        """How tables and plots call this method."""
        return f"{self.method.name} from pixels"

    @property
    def bits(self) -> int:  # type: ignore[override]
        """Length of the codes."""
        return self.method.bits

    @property
    def epochs(self) -> int:
        """Of the method."""
        return self.method.epochs

    @property
    def history_(self) -> History:
        """What happened, by epoch; the seconds are those of the method's training."""
        return self.hashing_.history_

    @property
    def unified_codes_(self) -> Codes:  # type: ignore[override]
        """(n, bits) int8, of a method that learns them."""
        return self.hashing_.unified_codes_

    def fit(
        self,
        train: PairedDataset,
        validation: PairedDataset | None = None,
        *,
        start: TowerMethod | str | None = None,
        **options: Any,
    ) -> Self:
        """Train towers and method together; what was learnt before is forgotten.

        Args:
            train: Pictures with labels, one caption each, as of
                :func:`xmr_lib.encoders.hashing_pictures.hashing_pictures`.
            validation: The same, to choose the epoch by the MAP of the codes (except in UDCMH).
            start: A fitted CLIP or ALIGN, which stays as it is, or a name as in the constructor, in place of that.
            options: ``device``, ``precision`` and ``checkpoint`` as of :func:`xmr_lib.training.train`.

        Raises:
            InvalidInput: No deep hashing method, features instead of pictures, several captions per image, no labels,
                another kind of ``start``, several processes, or what the method refuses.
            MissingData: No checkpoint of that name.
            TrainingDiverged: A loss became NaN or infinite. The method is then unfitted.
        """
        for key in ("towers_", "hashing_"):
            vars(self).pop(key, None)
        method = self._checked_method()
        for data in (train, validation):
            if data is not None:
                check_pictures(data, self.name)
                hashing_pairs(data, self.name, labels=method.supervised)  # type: ignore[arg-type]
        device = self._device(options.get("device", "auto"))
        start = self.start if start is None else start
        share = 1.0 if start is None else STARTED_SHARE
        fresh = CLIP(image=self.image, text=self.text, dim=self.dim, seed=method.seed)
        towers = first_towers(start, fresh, train.captions)
        inputs, check_inputs = (None if data is None else inputs_of(towers, data) for data in (train, validation))
        towers.model_.to(device)
        first, check = (
            None if rows is None else dataset_features(towers, rows, data)
            for rows, data in ((inputs, train), (check_inputs, validation))
        )
        towers.model_.to("cpu")

        def tower_rate(player: Player) -> float:
            return player.lr * share if self.tower_lr is None else self.tower_lr

        learner: Any = on_towers(method, towers, inputs, check_inputs, None if self.freeze else tower_rate)  # type: ignore[arg-type]
        learner.fit(first, check, **options)
        learner.model_ = learner.model_.network  # what reads features
        for key, value in vars(learner).items():
            if key.endswith("_"):
                setattr(method, key, value)
        self.towers_, self.hashing_ = towers, method
        return self

    def _checked_method(self) -> NeuralHashing:
        """A copy of the method, with the seed."""
        if not isinstance(self.method, DEEP):
            raise InvalidInput(
                f"FromPixels trains towers under a deep hashing method, and {self.method!r:.60} is none. Take one of "
                f"{', '.join(each.__name__ for each in DEEP)}."
            )
        if self.tower_lr is not None and self.tower_lr < 0:
            raise InvalidInput(
                f"tower_lr must be 0 or more, but it is {self.tower_lr:g}. None takes the papers' share."
            )
        return self.method.clone() if self.seed is None else self.method.clone(seed=self.seed)

    def _device(self, device: str) -> Any:
        """Where training will run."""
        accelerator = accelerator_for(device)
        if accelerator.num_processes > 1:
            raise InvalidInput(
                f"{self.name} trains in one process: its losses compare the pairs of a batch, and each process would "
                "see a part of them. Start it without torchrun or accelerate launch."
            )
        return accelerator.device

    def features(self, data: PairedDataset) -> PairedFeatures:
        """What the trained towers say about pictures with one caption each: the features that ``hashing_`` reads."""
        self._check_fitted()
        return dataset_features(self.towers_, inputs_of(self.towers_, data), data)

    def image_features(self, images: Any) -> Matrix:
        """n pictures (PIL, or uint8 pixels (n, 3, size, size)) -> (n, d) float32 features of the image tower."""
        self._check_fitted()
        return self._side("image", self.towers_.pixels(images))

    def text_features(self, texts: Any) -> Matrix:
        """m sentences -> (m, d) float32 features of the text tower."""
        self._check_fitted()
        return self._side("text", self.towers_.tokenizer_.encode(texts))

    def _side(self, side: str, rows: Any) -> Matrix:
        return self.towers_._in_parts(lambda part: tower_features(self.towers_.model_, side, part), rows)

    def image_outputs(self, images: Any) -> Matrix:
        """n pictures -> (n, bits) float32 outputs, whose signs are the codes."""
        features = self.image_features(images)
        return self.hashing_.image_outputs(features)

    def text_outputs(self, texts: Any) -> Matrix:
        """m sentences -> (m, bits) float32 outputs, whose signs are the codes."""
        features = self.text_features(texts)
        return self.hashing_.text_outputs(features)

    def encode_pairs(self, images: Any, texts: Any) -> Codes:
        """n pictures and their n sentences -> (n, bits) int8 codes made from both, where the method has them (HMAH)."""
        image, text = self.image_features(images), self.text_features(texts)
        return self.hashing_.encode_pairs(image, text)
