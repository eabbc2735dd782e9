"""Latent vectors depend on purpose, seed and counter, and on nothing else."""

from __future__ import annotations

import torch

from arcface_plus.gan.latents import Stream, latents


def test_they_are_a_function_of_their_arguments():
    torch.manual_seed(1)
    first = latents(Stream.GENERATOR, 7, 3, 10, 4)
    state = torch.random.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(latents(Stream.GENERATOR, 7, 3, 10, 4), first)
    torch.manual_seed(1)
    latents(Stream.SCORE, 1, 2, 3, 4)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_different_arguments_give_different_vectors():
    found = [
        latents(stream, seed, counter, 4, 8)
        for stream in Stream
        for seed in (0, 1)
        for counter in (0, 1, 2)
    ]
    assert len({tuple(z.flatten().tolist()) for z in found}) == len(found)


def test_they_are_standard_normal():
    z = latents(Stream.SCORE, 0, 0, 4000, 8)
    assert z.dtype == torch.float32
    assert abs(z.mean()) < 0.02
    assert abs(z.std() - 1) < 0.02
