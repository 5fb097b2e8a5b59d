"""Generated scenes: pictures of emoji objects with true captions, boxes, labels and relations.

Read in this order: ``catalogue`` (what exists), ``layout`` (one scene), ``backgrounds`` and ``drawing`` (its picture),
``grammar`` (its captions), ``negatives`` (captions that are false), ``dataset`` (all together), ``coco_format``
(export).
"""

from xmr_lib.data.scenes.catalogue import BACKGROUNDS, CATEGORIES
from xmr_lib.data.scenes.coco_format import to_coco
from xmr_lib.data.scenes.dataset import load
from xmr_lib.data.scenes.drawing import draw, draw_all
from xmr_lib.data.scenes.grammar import CAPTION_KINDS
from xmr_lib.data.scenes.layout import Relation, Scene, SceneObject
from xmr_lib.data.scenes.negatives import Contrast, contrasts, hard_negatives

__all__ = [
    "BACKGROUNDS",
    "CAPTION_KINDS",
    "CATEGORIES",
    "Contrast",
    "Relation",
    "Scene",
    "SceneObject",
    "contrasts",
    "draw",
    "draw_all",
    "hard_negatives",
    "load",
    "to_coco",
]
