"""From a method and a data set to a table: ``print(evaluate(method, data))``.

``evaluate`` gives a :class:`Report`, ``mean_and_deviation`` joins reports over seeds, ``leaderboard`` compares methods,
``compare`` fits several methods over several seeds. Protocols of their own: ``coco_protocol`` (5K and 1K),
``eccv_caption`` (COCO's test set with more right answers), ``contrast_accuracy`` (a true caption against a false one),
``zero_shot`` (classes named in words).
"""

from xmr_lib.evaluation.coco_protocol import CocoReport, coco_protocol
from xmr_lib.evaluation.compare import Comparison, compare
from xmr_lib.evaluation.eccv_caption import eccv_caption
from xmr_lib.evaluation.evaluate import evaluate, evaluate_similarity
from xmr_lib.evaluation.hard_negatives import ContrastResult, contrast_accuracy, contrast_table
from xmr_lib.evaluation.leaderboard import Leaderboard, leaderboard
from xmr_lib.evaluation.names import metric
from xmr_lib.evaluation.report import Report, Summary, mean_and_deviation
from xmr_lib.evaluation.zero_shot import ZeroShot, emoji_for_zero_shot, scene_prompts, zero_shot

__all__ = [
    "CocoReport",
    "Comparison",
    "ContrastResult",
    "Leaderboard",
    "Report",
    "Summary",
    "ZeroShot",
    "coco_protocol",
    "compare",
    "contrast_accuracy",
    "contrast_table",
    "eccv_caption",
    "emoji_for_zero_shot",
    "evaluate",
    "evaluate_similarity",
    "leaderboard",
    "mean_and_deviation",
    "metric",
    "scene_prompts",
    "zero_shot",
]
