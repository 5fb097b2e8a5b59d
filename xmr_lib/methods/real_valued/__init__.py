"""Supervised deep methods that give real-valued embeddings: ACMR, DSCMR, CLIP4CMR, CM-GANs, AGCN."""

from xmr_lib.methods.real_valued.acmr import ACMR
from xmr_lib.methods.real_valued.agcn import AGCN
from xmr_lib.methods.real_valued.clip4cmr import CLIP4CMR
from xmr_lib.methods.real_valued.cm_gans import CMGANs
from xmr_lib.methods.real_valued.dscmr import DSCMR

__all__ = ["ACMR", "AGCN", "CLIP4CMR", "DSCMR", "CMGANs"]
