"""Hashing methods: codes in {-1, +1} for images and texts, compared by Hamming distance."""

from xmr_lib.methods.hashing.bicmr import BiCMR
from xmr_lib.methods.hashing.cmfh import CMFH
from xmr_lib.methods.hashing.cvh import CVH
from xmr_lib.methods.hashing.dchmt import DCHMT
from xmr_lib.methods.hashing.dchuc import DCHUC
from xmr_lib.methods.hashing.dcmh import DCMH
from xmr_lib.methods.hashing.dsph import DSPH
from xmr_lib.methods.hashing.from_pixels import FromPixels
from xmr_lib.methods.hashing.hmah import HMAH
from xmr_lib.methods.hashing.scm_seq import SCMSeq
from xmr_lib.methods.hashing.ssah import SSAH
from xmr_lib.methods.hashing.udcmh import UDCMH

__all__ = ["CMFH", "CVH", "DCHMT", "DCHUC", "DCMH", "DSPH", "HMAH", "SSAH", "UDCMH", "BiCMR", "FromPixels", "SCMSeq"]
