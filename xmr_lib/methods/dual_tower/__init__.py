"""Dual towers: one network reads the picture, another the sentence, and they meet in a common space."""

from xmr_lib.methods.dual_tower.agree import AGREE
from xmr_lib.methods.dual_tower.align import ALIGN
from xmr_lib.methods.dual_tower.clip import CLIP
from xmr_lib.methods.dual_tower.cots import COTS
from xmr_lib.methods.dual_tower.dive import DivE
from xmr_lib.methods.dual_tower.team import TEAM

__all__ = ["AGREE", "ALIGN", "CLIP", "COTS", "TEAM", "DivE"]
