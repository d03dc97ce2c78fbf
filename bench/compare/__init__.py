"""Is B slower than A? Paired ratios with intervals, their gate, and what an adapter costs."""

from .ratios import OVERALL, Figures, Ratio, block_figures, ratios

__all__ = [
    "OVERALL",
    "Figures",
    "Ratio",
    "block_figures",
    "ratios",
]
