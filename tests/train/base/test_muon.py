"""Muon in float32 takes the steps of torch's, but for what bfloat16 rounds."""

import pytest
import torch
from callproof.train.base.muon import FloatMuon, orthogonal


@pytest.mark.parametrize("shape", [(24, 24), (40, 16), (16, 40)])
def test_its_steps_are_those_of_torch(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    start, gradients = torch.randn(shape), torch.randn(6, *shape)
    ends = []
    for kind in (torch.optim.Muon, FloatMuon):
        matrix = torch.nn.Parameter(start.clone())
        optimizer = kind([matrix], lr=0.05, weight_decay=0.1, ns_steps=4, adjust_lr_fn="match_rms_adamw")
        for gradient in gradients:
            matrix.grad = gradient.clone()
            optimizer.step()
        ends.append(matrix.detach())
    moved = (ends[0] - start).norm()
    assert moved > 1
    assert (ends[1] - ends[0]).norm() < 0.02 * moved


def test_singular_values_come_near_one() -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonal(torch.randn(30, 12), (3.4445, -4.775, 2.0315), 8))
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_states_are_torchs() -> None:
    torch.manual_seed(0)
    matrix = torch.nn.Parameter(torch.randn(8, 8))
    torchs, ours = torch.optim.Muon([matrix]), FloatMuon([matrix], adjust_lr_fn="match_rms_adamw")
    matrix.grad = torch.randn(8, 8)
    torchs.step()
    ours.load_state_dict(torchs.state_dict())
    ours.step()
    assert ours.state[matrix].keys() == torchs.state[matrix].keys()
