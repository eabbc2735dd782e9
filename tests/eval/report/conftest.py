"""A run with everything that training leaves beside its verification."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest


@pytest.fixture
def log():
    """log(run): metrics.jsonl and environment.json of 40 logged steps."""

    def write(run, steps=40):
        lines = [
            {"step": 10 * i, "loss": 9 / i - 1, "loss_margin": 9 / i, "accuracy": i / steps,
             "lr": 0.1 if i < 30 else 0.01, "min_angle_deg": 60 + i / 9,
             "mean_min_angle_deg": 70 + i / 9}
            for i in range(1, steps + 1)
        ]  # fmt: skip
        (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        content = {"torch": "2.12", "command": ["a", run.name]}
        (run / "environment.json").write_text(json.dumps(content))

    return write


@pytest.fixture
def encoded():
    """encoded(n): n small JPEG files, as a pair file holds them."""

    def make(count):
        rng = np.random.default_rng(0)
        faces = [
            cv2.resize(rng.integers(0, 255, (3, 3, 3), np.uint8), (112, 112)) for _ in range(9)
        ]
        made = [cv2.imencode(".jpg", face)[1].tobytes() for face in faces]
        return [made[i % 9] for i in range(count)]

    return make
