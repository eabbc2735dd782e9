"""AutoAugment with given draws is torchvision's with the same draws."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from labelled_files import images
from torchvision.transforms.autoaugment import AutoAugment, AutoAugmentPolicy

from arcface_plus.data.autoaugment import Draws, autoaugment, cifar_draws


def test_against_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, draws = images(60, 32, 3), cifar_draws(0, 1, 60)
    augment = AutoAugment(AutoAugmentPolicy.CIFAR10)
    expected = []
    for i, image in enumerate(pixels):
        drawn = (int(draws.policies[i]), torch.tensor(draws.done[i]), torch.tensor(draws.signs[i]))
        monkeypatch.setattr(AutoAugment, "get_params", staticmethod(lambda _, d=drawn: d))
        expected.append(augment(torch.tensor(image).permute(2, 0, 1)).permute(1, 2, 0).numpy())
    assert np.array_equal(autoaugment(pixels, draws), np.stack(expected))
    changed = (np.stack(expected) != pixels).any(axis=(1, 2, 3))
    assert 20 < changed.sum() < 60


def test_the_same_in_parts_in_threads_and_whatever_torchs_generator_says() -> None:
    pixels, draws = images(24, 32, 3), cifar_draws(5, 2, 24)
    whole = autoaugment(pixels, draws)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    parts = [slice(k, k + 6) for k in range(0, 24, 6)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda p: autoaugment(pixels[p], draws[p]), parts))
    assert np.array_equal(np.concatenate(results), whole)
    assert torch.equal(torch.get_rng_state(), state)


def test_draws_cover_all_25_policies_evenly() -> None:
    policies = np.concatenate([cifar_draws(0, step, 500).policies for step in range(10)])
    counts = np.bincount(policies)
    assert len(counts) == 25
    assert (abs(counts - 200) < 5 * np.sqrt(200)).all()


def test_draws_are_functions_of_seed_and_step() -> None:
    first, again = cifar_draws(3, 4, 16), cifar_draws(3, 4, 16)
    assert np.array_equal(first.done, again.done)
    assert not np.array_equal(first.done, cifar_draws(3, 5, 16).done)
    assert not np.array_equal(first.done, cifar_draws(4, 4, 16).done)
    part = first[4:8]
    assert isinstance(part, Draws)
    assert np.array_equal(part.signs, first.signs[4:8])


def test_operations_that_are_not_drawn_leave_the_image() -> None:
    pixels = images(3, 32, 3)
    never = Draws(np.array([0, 1, 2]), np.full((3, 2), 1.1), np.zeros((3, 2), np.int64))
    assert np.array_equal(autoaugment(pixels, never), pixels)
