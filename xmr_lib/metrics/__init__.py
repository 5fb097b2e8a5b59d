"""Metrics of retrieval, in one style: ``metric(similarity (q, n), relevance (q, n), ...) -> float in 0..1``.

Rows are queries, columns are database items, larger similarity = more alike. The value is a float that also carries the
values of the single queries (``.per_query``) and the number of queries that had nothing relevant (``.empty``).

Tied scores are averaged exactly over all their orders (see ``ties.py``), so a model that cannot tell items apart scores
chance, and no number depends on how the database is stored.

For one ranking on paper: :func:`average_precision`, :func:`average_precision_at_k`, :func:`ndcg`.
"""

from xmr_lib.metrics.chance import chance_level
from xmr_lib.metrics.curves import Curve, hamming_precision_recall_curve, precision_recall_curve
from xmr_lib.metrics.cutoff import DENOMINATORS, average_precision_at_k, map_at_k, map_at_r
from xmr_lib.metrics.graded import ndcg, ndcg_at_k
from xmr_lib.metrics.hamming import (
    Histograms,
    average_precision_from_histograms,
    distance_histograms,
    hamming_distance,
    hamming_map,
    hamming_radius_precision,
    pack_codes,
)
from xmr_lib.metrics.instance import FirstHits, first_hits, mean_rank, median_rank, recall_at_k, rsum
from xmr_lib.metrics.ranking import (
    average_precision,
    found_at_k,
    mean_average_precision,
    precision_at_k,
    r_precision,
    ranked_relevance,
)
from xmr_lib.metrics.relevance import (
    label_cosine_relevance,
    relevance_from_captions,
    relevance_from_labels,
    relevance_from_pairs,
    shared_labels,
)
from xmr_lib.metrics.score import Score
from xmr_lib.metrics.ties import TIES

__all__ = [
    "DENOMINATORS",
    "TIES",
    "Curve",
    "FirstHits",
    "Histograms",
    "Score",
    "average_precision",
    "average_precision_at_k",
    "average_precision_from_histograms",
    "chance_level",
    "distance_histograms",
    "first_hits",
    "found_at_k",
    "hamming_distance",
    "hamming_map",
    "hamming_precision_recall_curve",
    "hamming_radius_precision",
    "label_cosine_relevance",
    "map_at_k",
    "map_at_r",
    "mean_average_precision",
    "mean_rank",
    "median_rank",
    "ndcg",
    "ndcg_at_k",
    "pack_codes",
    "precision_at_k",
    "precision_recall_curve",
    "r_precision",
    "ranked_relevance",
    "recall_at_k",
    "relevance_from_captions",
    "relevance_from_labels",
    "relevance_from_pairs",
    "rsum",
    "shared_labels",
]
