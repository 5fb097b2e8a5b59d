"""Entities of captions, their boxes, grey pictures, and the batches of AGREE: on scenes, made-up data and real COCO."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from xmr_lib.data import load_dataset
from xmr_lib.data.base import PairedDataset
from xmr_lib.data.entities import EntityWords, class_words, scene_words, words_for
from xmr_lib.data.entity_batches import EntityBatches
from xmr_lib.data.object_boxes import GREY, cut_out, has_boxes, object_boxes, paint_grey
from xmr_lib.data.pixels import pixel_tensor, square, with_pixels
from xmr_lib.data.scenes import CATEGORIES
from xmr_lib.data.tokens import MASK, CaptionTokenizer
from xmr_lib.errors import InvalidInput

COCO = Path(os.environ.get("XMR_DATA_DIR", "")) / "coco" / "annotations" / "instances_train2017.json"
needs_coco = pytest.mark.skipif(
    not os.environ.get("XMR_DATA_DIR") or not COCO.is_file(), reason="set XMR_DATA_DIR to a folder with coco/"
)


@pytest.fixture(scope="module")
def scenes() -> PairedDataset:
    return with_pixels(load_dataset("scenes", size=60), 96)


def phrases(caption: str, words: EntityWords | None = None) -> list[tuple[str, str]]:
    words = words or scene_words()
    return [(mention.phrase, words.names[mention.number]) for mention in words.entities(caption)]


def test_longest_match_plurals_and_case() -> None:
    assert phrases("Two mice and an alarm clock.") == [("mice", "mouse"), ("alarm clock", "alarm clock")]
    assert phrases("A clock to the left of a loaf of bread") == [("clock", "alarm clock"), ("loaf of bread",) * 2]
    assert phrases("A BURGER, a top hat.") == [("burger", "hamburger"), ("top hat", "hat")]
    assert phrases("a catalogue of hats") == [("hats", "hat")]  # whole words only


def test_a_place_under_the_stars_is_no_star() -> None:
    assert phrases("A dog under the stars.") == [("dog", "dog")]
    assert phrases("A dog under a star.") == [("dog", "dog"), ("star", "star")]
    assert scene_words().hide("A star under the stars.", list(CATEGORIES).index("star")) == "A [MASK] under the stars."


def test_each_thing_once_and_at_most_five() -> None:
    words = scene_words()
    assert phrases("a dog, a hound and two dogs") == [("dog", "dog")]
    assert len(words.mentions("a dog, a hound and two dogs")) == 3
    assert words.hide("a dog, a hound and two dogs", 0) == "a [MASK], a [MASK] and two [MASK]"
    assert len(words.entities("dog cat pig cow owl swan")) == 5
    assert len(words.entities("dog cat pig cow owl swan", most=2)) == 2


def test_a_letter_whose_lower_case_is_longer_moves_nothing() -> None:
    assert scene_words().hide("İİİ a dog", 0) == "İİİ a [MASK]"


def test_every_entity_of_a_scene_is_in_the_scene_and_the_list_caption_names_all(scenes: PairedDataset) -> None:
    words = words_for(scenes)
    for j, caption in enumerate(scenes.captions):
        shown = {obj.category for obj in scenes.metadata["scenes"][scenes.caption_image[j]].objects}
        named = {words.names[mention.number] for mention in words.entities(caption)}
        assert named, caption
        assert named <= shown, caption
        if j % 5 == 0:  # "list"
            assert named == shown


def test_words_of_two_classes_or_none_are_refused() -> None:
    with pytest.raises(InvalidInput, match="stands for 'a' and for 'b'"):
        EntityWords({"a": ["x"], "b": ["x"]})
    with pytest.raises(InvalidInput, match="empty"):
        EntityWords({})


def test_class_names_of_coco_with_other_words_for_them() -> None:
    words = class_words(["person", "wine glass", "couch", "teddy bear", "bear"])
    assert phrases("Two men on a sofa with a teddy bear and glasses", words) == [
        ("men", "person"),
        ("sofa", "couch"),
        ("teddy bear", "teddy bear"),
        ("glasses", "wine glass"),
    ]


def test_boxes_of_scenes_are_those_of_their_objects(scenes: PairedDataset) -> None:
    words = words_for(scenes)
    for scene, boxes in zip(scenes.metadata["scenes"], object_boxes(scenes, words, 96), strict=True):
        assert {words.names[kind] for kind in boxes} == {obj.category for obj in scene.objects}
        for obj in scene.objects:
            found = boxes[words.names.index(obj.category)]
            assert found.tolist() == [[x, y, x + w, y + h] for x, y, w, h in obj.boxes]


def test_boxes_follow_the_picture_through_scaling_and_cutting() -> None:
    """A white square on black stays under its box, in a wide picture and in a high one."""
    for box, shape in (([150, 20, 40, 60], (300, 100)), ([20, 150, 60, 40], (100, 300))):
        x, y, w, h = box
        picture = Image.new("RGB", shape)
        picture.paste((255, 255, 255), (x, y, x + w, y + h))
        data = boxed([picture], [[box]])
        (boxes,) = object_boxes(data, class_words(data.class_names), 50)
        ((left, top, right, bottom),) = boxes[0].tolist()
        seen = square(picture, 50)[0] > 127
        rows, columns = seen.any(1).nonzero().flatten(), seen.any(0).nonzero().flatten()
        assert (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1) == (top, bottom, left, right)


def test_boxes_that_were_cut_off_or_are_tiny_are_left_out() -> None:
    data = boxed([Image.new("RGB", (300, 100))], [[[0, 0, 50, 50], [150, 50, 2, 2], [140, 10, 40, 40]]])
    (boxes,) = object_boxes(data, class_words(data.class_names), 100)
    assert boxes[0].tolist() == [[40, 10, 80, 50]]
    assert not object_boxes(boxed([Image.new("RGB", (300, 100))], [[]]), class_words(["ball"]), 100)[0]


def boxed(pictures: list[Image.Image], boxes: list[list[list[int]]]) -> PairedDataset:
    """One caption per picture, every box a ball."""
    return PairedDataset(
        "boxed",
        "1",
        pictures,
        ["a ball"] * len(pictures),
        np.arange(len(pictures)),
        labels=np.ones((len(pictures), 1), dtype=bool),
        class_names=("ball",),
        metadata={
            "boxes": [np.array(rows, dtype=np.float32).reshape(-1, 4) for rows in boxes],
            "box_class": [np.zeros(len(rows), dtype=np.int64) for rows in boxes],
        },
    )


def test_paint_grey_changes_the_boxes_and_nothing_else() -> None:
    pixels = torch.zeros(3, 8, 8, dtype=torch.uint8)
    painted = paint_grey(pixels, np.array([[1, 2, 4, 3], [6, 6, 8, 8]]))
    expected = torch.zeros(8, 8, dtype=torch.uint8)
    expected[2, 1:4] = expected[6:, 6:] = GREY
    assert torch.equal(painted, expected.expand(3, 8, 8))
    assert not pixels.any()


def test_cut_out_shows_the_box_in_the_middle_or_as_near_as_it_can() -> None:
    pixels = torch.zeros(3, 16, 16, dtype=torch.uint8)
    pixels[:, 4:8, 4:8] = 200
    middle = cut_out(pixels, np.array([4, 4, 8, 8]))  # 8 pixels enlarged to 16: the thing is 8 x 8 in the middle
    assert (middle[0] > 100).nonzero().amin() == 4
    assert (middle[0] > 100).nonzero().amax() == 11
    corner = torch.zeros(3, 16, 16, dtype=torch.uint8)
    corner[:, :4, :4] = 200
    assert (cut_out(corner, np.array([0, 0, 4, 4]))[0] > 100).nonzero().amax() == 7
    assert torch.equal(cut_out(pixels, np.array([0, 0, 16, 16])), pixels)


@pytest.fixture(scope="module")
def tokenizer(scenes: PairedDataset) -> CaptionTokenizer:
    return CaptionTokenizer.learn([*scenes.captions, "a photo containing"])


def batches(
    data: PairedDataset, tokenizer: CaptionTokenizer, size: int = 20, seed: int = 0, **options: int
) -> EntityBatches:
    tokens = tokenizer.encode(data.captions)
    return EntityBatches(data, pixel_tensor(data.images, 96), tokens, size, 2, seed, tokenizer=tokenizer, **options)


def test_batches_hold_what_they_say(scenes: PairedDataset, tokenizer: CaptionTokenizer) -> None:
    made = batches(scenes, tokenizer)
    words, size = made.words, tokenizer.length
    batch = next(made(0))
    shapes = {name: tuple(value.shape) for name, value in batch.items()}
    assert shapes["entity"] == (20, 2, 5)
    assert shapes["prompt"] == shapes["masked"] == (20, 2, 5, size)
    assert shapes["grey"] == shapes["object"] == shapes["object_grey"] == (20, 3, 96, 96)
    assert shapes["object_prompt"] == (20, size)
    assert shapes["shows"] == (20, 80)
    for i in range(20):
        for c in range(2):
            caption = scenes.captions[batch["text_index"][i, c]]
            found = words.entities(caption)
            assert batch["entity"][i, c].tolist() == [m.number for m in found] + [-1] * (5 - len(found))
            for e in range(5):
                if e < len(found):
                    hidden, prompt = words.hide(caption, found[e].number), f"a photo containing {found[e].phrase}"
                    assert (batch["masked"][i, c, e] == MASK).sum() == 1
                else:
                    hidden = prompt = ""
                assert torch.equal(batch["masked"][i, c, e], tokenizer.encode([hidden])[0])
                assert torch.equal(batch["prompt"][i, c, e], tokenizer.encode([prompt])[0])
        scene = scenes.metadata["scenes"][batch["image_index"][i]]
        shown = {words.names.index(obj.category) for obj in scene.objects}
        assert set(batch["shows"][i].nonzero().flatten().tolist()) == shown
        assert batch["grey_class"][i] in batch["entity"][i]
        assert int(batch["object_class"][i]) in shown


def test_grey_and_cut_out_pictures(scenes: PairedDataset, tokenizer: CaptionTokenizer) -> None:
    made = batches(scenes, tokenizer)
    batch = next(made(0))
    for i in range(20):
        boxes = made.boxes[int(batch["image_index"][i])]
        assert torch.equal(batch["grey"][i], paint_grey(batch["image"][i], boxes[int(batch["grey_class"][i])]))
        kind = int(batch["object_class"][i])
        expected = [cut_out(batch["image"][i], box) for box in boxes[kind]]
        assert any(torch.equal(batch["object"][i], each) for each in expected)
        differs = (batch["object"][i] != batch["object_grey"][i]).any(0)
        assert 0.05 < differs.float().mean() <= 1
        prompt = tokenizer.encode([f"a photo containing {made.words.names[kind]}"])[0]
        assert torch.equal(batch["object_prompt"][i], prompt)


def test_same_seed_same_batches_and_the_pairs_of_caption_batches(
    scenes: PairedDataset, tokenizer: CaptionTokenizer
) -> None:
    first, again, other = (list(batches(scenes, tokenizer, seed=seed)(1)) for seed in (0, 0, 1))
    for a, b in zip(first, again, strict=True):
        assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(first[0]["object_class"], other[0]["object_class"])
    assert torch.equal(first[0]["text"], tokenizer.encode(scenes.captions)[first[0]["text_index"]])
    next_epoch = next(batches(scenes, tokenizer)(2))
    assert not torch.equal(next_epoch["image_index"], first[0]["image_index"])


def test_captions_without_entities_and_data_without_boxes(tokenizer: CaptionTokenizer) -> None:
    pictures = [Image.new("RGB", (96, 96), (i, i, i)) for i in range(4)]
    data = PairedDataset("plain", "1", pictures, ["nothing", "a dog", "", "two cats"], np.arange(4))
    assert not has_boxes(data)
    (batch,) = batches(data, tokenizer, size=4)(0)
    assert "grey" not in batch
    order = batch["image_index"].argsort()
    assert batch["entity"][order, 0, 0].tolist() == [-1, 0, -1, 1]
    assert batch["shows"][order].sum(1).tolist() == [0, 1, 0, 1]
    assert not (batch["masked"][order][[0, 2]] == MASK).any()


def test_a_picture_without_boxes_is_not_painted() -> None:
    data = boxed([Image.new("RGB", (96, 96), (9, 9, 9))] * 2, [[[10, 10, 30, 30]], []])
    tokenizer = CaptionTokenizer.learn(data.captions)
    (batch,) = batches(data, tokenizer, size=2)(0)
    first, second = batch["image_index"].argsort().tolist()
    assert (batch["grey_class"][first], batch["object_class"][first]) == (0, 0)
    assert (batch["grey_class"][second], batch["object_class"][second]) == (-1, -1)
    assert torch.equal(batch["grey"][second], batch["image"][second])
    assert batch["shows"][second, 0] == 1  # its caption names a ball


def test_a_prompt_without_a_place_is_refused(scenes: PairedDataset, tokenizer: CaptionTokenizer) -> None:
    with pytest.raises(InvalidInput, match=r"needs \{\}"):
        batches(scenes, tokenizer, prompt="a photo")


@needs_coco
def test_real_photographs() -> None:
    data = with_pixels(load_dataset("coco", parts=["train"]), 96)
    words = words_for(data)
    boxes = object_boxes(data, words, 96)
    opened = object_boxes(replace(data, metadata={**data.metadata, "picture_size": None}), words, 96)
    for a, b in zip(boxes, opened, strict=True):  # the sizes in the file are those of the pictures
        assert {kind: rows.tolist() for kind, rows in a.items()} == {kind: rows.tolist() for kind, rows in b.items()}
    labels = [set(row.nonzero()[0].tolist()) for row in data.labels]
    assert all(set(found) <= known for found, known in zip(boxes, labels, strict=True))
    assert any(boxes)
    tokenizer = CaptionTokenizer.learn(data.captions)
    named: list[Tensor] = []
    for batch in batches(data, tokenizer)(0):
        painted = (batch["grey"] != batch["image"]).flatten(1).any(1)
        assert torch.equal(painted, batch["grey_class"] >= 0)
        named.append(batch["grey_class"] >= 0)
    assert torch.cat(named).float().mean() > 0.3
