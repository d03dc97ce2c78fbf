"""Norms and rotary embeddings of Qwen3, each compiled into one kernel.

On a CPU they take half of the time of a training step, operation by operation; compiled, a step of the base takes 0.8
to 0.9 of its time. Compilation needs a C++ compiler and 10 to 15 s, which only long trainings earn back.
"""

import shutil

import torch
from transformers.models.qwen3 import modeling_qwen3


def normalised(hidden: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    """The RMS norm of Qwen3: computed in float32, returned in the type of `hidden`."""
    wide = hidden.float()
    return (weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + epsilon))).to(hidden.dtype)


def compile_elementwise() -> bool:
    """For all Qwen3 models of this process; without a C++ compiler nothing changes. Returns whether it did."""
    if not (shutil.which("g++") or shutil.which("clang++")):
        return False
    compiled = torch.compile(normalised, dynamic=True)

    def forward(self: modeling_qwen3.Qwen3RMSNorm, hidden_states: torch.Tensor) -> torch.Tensor:
        return compiled(hidden_states, self.weight, self.variance_epsilon)

    modeling_qwen3.Qwen3RMSNorm.forward = forward
    modeling_qwen3.apply_rotary_pos_emb = torch.compile(modeling_qwen3.apply_rotary_pos_emb, dynamic=True)
    return True
