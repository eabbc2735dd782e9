"""One row per class: the weight itself, or the mean direction of a class's sub-centres."""

from __future__ import annotations

import torch

from arcface_plus.models.class_rows import class_rows


def test_plain_weights_are_returned_as_they_are() -> None:
    weight = torch.nn.Parameter(torch.randn(5, 3))
    assert class_rows(weight) is weight


def test_sub_centres_count_by_direction() -> None:
    weight = torch.randn(4, 3, 6, dtype=torch.float64)
    rows = class_rows(weight)
    for row, centres in zip(rows, weight, strict=True):
        torch.testing.assert_close(row, sum(c / c.norm() for c in centres) / 3)
    scaled = weight * torch.rand(4, 3, 1, dtype=torch.float64).add(0.5)
    torch.testing.assert_close(class_rows(scaled), rows)
