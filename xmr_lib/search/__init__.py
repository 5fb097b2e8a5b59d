"""Exact search in large databases: by Hamming distance on packed codes (:mod:`xmr_lib.search.hamming`)."""

from xmr_lib.search.hamming import Ball, Found, hamming_ball, hamming_ranking, hamming_search

__all__ = ["Ball", "Found", "hamming_ball", "hamming_ranking", "hamming_search"]
