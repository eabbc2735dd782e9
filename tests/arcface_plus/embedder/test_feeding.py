"""How a network is fed: what the file says, what the user says over it, other image sizes."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch
from networks import assert_close

from arcface_plus.embedder.feeding import Feeding, FeedingOptions
from arcface_plus.embedder.load import load_embedder
from data_prep.errors import UserError


def test_the_card_and_the_user_say_how_it_is_fed(small, exported, images, tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes(exported.read_bytes())
    card = json.loads(exported.with_suffix(".json").read_text())
    card |= {"channel_order": "BGR", "mean": 100.0, "scale": 50.0}
    path.with_suffix(".json").write_text(json.dumps(card))

    def expected(mean, scale, order):
        pixels = torch.from_numpy(images[..., ::order].astype(np.float32).transpose(0, 3, 1, 2))
        with torch.no_grad():
            return small((pixels - mean) / scale).numpy()

    assert_close(load_embedder(path)(images), expected(100, 50, -1))
    said = FeedingOptions(scale=128.0, channel_order="RGB")
    assert_close(load_embedder(path, "cpu", said)(images), expected(100, 128, 1))
    card["channel_order"] = "GBR"
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(
        UserError, match=r'm\.json: .*channel_order: expected RGB or BGR, got "GBR"'
    ):
        load_embedder(path)
    with pytest.raises(UserError, match=r"scale must be a positive finite number, not 0\.0"):
        load_embedder(exported, "cpu", FeedingOptions(scale=0.0))


@pytest.mark.parametrize("side", [64, 160])
def test_crops_are_resized_where_the_network_wants_another_size(images, side):
    found = Feeding(0.0, 1.0, side=side)(torch.from_numpy(images)).numpy()
    assert found.shape == (len(images), 3, side, side)
    how = cv2.INTER_AREA if side < 112 else cv2.INTER_LINEAR
    expected = cv2.resize(images[2], (side, side), interpolation=how)
    assert np.array_equal(found[2].transpose(1, 2, 0), expected)


def test_the_users_word_leaves_the_size_alone():
    assert FeedingOptions(mean=1.0).over(Feeding(side=160)) == Feeding(mean=1.0, side=160)
