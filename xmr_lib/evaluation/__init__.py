"""From a method and a data set to a table: ``print(evaluate(method, data))``.

``evaluate`` gives a :class:`Report`, ``mean_and_deviation`` joins reports over seeds, ``leaderboard`` compares methods,
``compare`` fits several methods over several seeds.
"""

from xmr_lib.evaluation.compare import Comparison, compare
from xmr_lib.evaluation.evaluate import evaluate, evaluate_similarity
from xmr_lib.evaluation.leaderboard import Leaderboard, leaderboard
from xmr_lib.evaluation.names import metric
from xmr_lib.evaluation.report import Report, Summary, mean_and_deviation

__all__ = [
    "Comparison",
    "Leaderboard",
    "Report",
    "Summary",
    "compare",
    "evaluate",
    "evaluate_similarity",
    "leaderboard",
    "mean_and_deviation",
    "metric",
]
