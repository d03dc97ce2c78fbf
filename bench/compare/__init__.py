"""Compares two benches: ratios with intervals, a gate on them, and what an adapter costs."""

from .ratios import Figures, Ratio, block_figures, ratios

__all__ = [
    "Figures",
    "Ratio",
    "block_figures",
    "ratios",
]
