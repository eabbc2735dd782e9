"""A pair file through an embedder: flip, order of pairs, identical images once, any batch size."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest
import torch

from arcface_plus.data.images import decode
from arcface_plus.embedder.load import Embedder, network_embedder
from arcface_plus.evaluation import verification
from arcface_plus.evaluation.protocol_embedding import BLOCK, embed_encoded
from arcface_plus.evaluation.verification import (
    check_pair_file,
    target_file,
    verify_file,
    verify_targets,
)
from arcface_plus.models.backbones import MobileFaceNet
from data_prep.errors import UserError
from data_prep.pairs import read_pairs, write_pairs
from eval.verification import verify


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    torch.manual_seed(0)
    network = MobileFaceNet(embedding_dim=32, width=0.25).eval()
    return network_embedder(network, torch.device("cpu"), "mobilefacenet")


def test_it_is_the_protocol_done_by_hand(embedder, synthetic):
    path = synthetic / "synth_pose.bin"
    images, same = read_pairs(path)
    rows = []
    for encoded in images:
        pixels = cv2.cvtColor(cv2.imdecode(np.frombuffer(encoded, np.uint8), 1), cv2.COLOR_BGR2RGB)
        both = embedder(np.stack([pixels, pixels[:, ::-1]])).astype(np.float64)
        rows.append(both[0] + both[1])
    by_hand = verify(np.array(rows[0::2]), np.array(rows[1::2]), same)
    found = verify_file(embedder, path, batch_size=16).figures
    assert found["accuracy"]["folds"] == by_hand.fold_accuracies.tolist()
    assert found["accuracy"]["thresholds"] == by_hand.fold_thresholds.tolist()
    assert found["auc"] == pytest.approx(by_hand.auc, abs=1e-9)


def test_identical_images_are_embedded_once(embedder, synthetic):
    seen = []

    def counting(images):
        seen.append(len(images))
        return embedder(images)

    found = verify_file(counting, synthetic / "synth_frontal.bin", batch_size=7).figures
    blocks = -(-2 * found["unique_images"] // BLOCK)  # with the mirror images
    assert found["unique_images"] < found["images"]
    assert seen == [BLOCK] * blocks


@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_any_batch_size_gives_the_same_digits(embedder, synthetic, batch_size):
    path = synthetic / "synth_frontal.bin"
    one, other = verify_file(embedder, path, 16), verify_file(embedder, path, batch_size)
    assert one.figures == other.figures
    assert np.array_equal(one.result.distances, other.result.distances)


def test_an_untrained_network_sees_the_real_lfw_above_chance(embedder, real_data):
    """The first 300 pairs of the real file: structure, flip and decoding on what users have."""
    images, same = read_pairs(real_data / "lfw" / "lfw.bin")
    assert (len(images), int(same.sum()), len(set(images))) == (12_000, 3000, 7701)
    subset = images[:600]
    assert decode(subset[0]).shape == (112, 112, 3)
    summed = embed_encoded(embedder, subset, 100, str, flip=True).summed
    assert verify(summed[0::2], summed[1::2], same[:300]).accuracy_mean > 0.4


def test_a_target_may_be_called_by_its_file(synthetic):
    assert target_file(synthetic, "synth_age.bin") == synthetic / "synth_age.bin"
    with pytest.raises(UserError, match=r"gone\.bin: no such pair file for target 'gone\.bin'"):
        target_file(synthetic, "gone.bin")


def test_a_run_names_a_target_as_verify_does(embedder, synthetic):
    """`eval.targets: [synth_age.bin]`: otherwise no comparison would match the two."""
    report = verify_targets(embedder, synthetic, ["synth_age.bin", "synth_age"], batch_size=16)
    assert list(report.targets) == ["synth_age"]


def test_a_pair_file_in_place_of_its_directory_is_named(synthetic):
    file = synthetic / "synth_age.bin"
    with pytest.raises(UserError, match=r"synth_age\.bin: is a file; give its folder as --data"):
        target_file(file, "synth_age")
    with pytest.raises(UserError, match="no such directory"):
        target_file(synthetic / "gone", "synth_age")


def test_an_image_that_many_pairs_share_is_looked_at_once(synthetic, tmp_path, monkeypatch):
    image = read_pairs(synthetic / "synth_age.bin")[0][0]
    write_pairs(tmp_path / "x.bin", [image] * 2000, [True, False] * 500)
    looked_at = []
    monkeypatch.setattr(verification, "container_damage", looked_at.append)
    check_pair_file(tmp_path / "x.bin")
    assert len(looked_at) == 1


def test_the_digest_of_pairs_is_that_of_their_bytes(synthetic):
    """Runs of all versions stay comparable by it."""
    images, same = read_pairs(synthetic / "synth_age.bin")
    naive = hashlib.sha256(b"".join(images) + bytes(map(int, same))).hexdigest()
    assert verification.pairs_digest(images, same) == naive
