"""Muon with products in float32, for processors that have none in bfloat16."""

import math
from collections.abc import Callable
from typing import Any

import torch

from ..cpu import has_bf16


def muon(matrices: list[torch.nn.Parameter], peak: float) -> torch.optim.Muon:
    """Muon as `torch` has it; without products in bfloat16, that multiplies by emulation, 60 times slower."""
    kind = torch.optim.Muon if has_bf16() else FloatMuon
    return kind(matrices, lr=peak, weight_decay=0.01, ns_steps=4, adjust_lr_fn="match_rms_adamw")


class FloatMuon(torch.optim.Muon):
    """The steps of `torch.optim.Muon` with `adjust_lr_fn="match_rms_adamw"` and Nesterov's momentum, in float32."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = closure() if closure else None
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state, momentum = self.state[matrix], group["momentum"]
                buffer = state.setdefault("momentum_buffer", torch.zeros_like(matrix.grad))
                buffer.lerp_(matrix.grad, 1 - momentum)
                update = matrix.grad.lerp(buffer, momentum)
                rate = group["lr"] * 0.2 * math.sqrt(max(matrix.shape))
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(orthogonal(update, group["ns_coefficients"], group["ns_steps"]), alpha=-rate)
        return loss


def orthogonal(matrix: torch.Tensor, coefficients: tuple[float, float, float], steps: int) -> torch.Tensor:
    """About the nearest matrix with orthogonal rows or columns, by Newton-Schulz iteration (Jordan 2024, "Muon")."""
    a, b, c = coefficients
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    wide = wide / wide.norm().clamp(min=1e-7)
    for _ in range(steps):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return wide.T if matrix.shape[0] > matrix.shape[1] else wide
