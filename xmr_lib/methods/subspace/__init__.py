"""Linear subspaces: CCA, and the 2010 systems CM, SM, SCM built on it."""

from xmr_lib.methods.subspace.cca import CCA, cca, whitening_matrix
from xmr_lib.methods.subspace.selection import Trial, try_cca
from xmr_lib.methods.subspace.semantic import CM, SCM, SM, posterior

__all__ = ["CCA", "CM", "SCM", "SM", "Trial", "cca", "posterior", "try_cca", "whitening_matrix"]
