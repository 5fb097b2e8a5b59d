"""Supervised deep methods that give real-valued embeddings: ACMR, DSCMR, CLIP4CMR, CM-GANs, AGCN."""

from xmr_lib.methods.real_valued.acmr import ACMR

__all__ = ["ACMR"]
