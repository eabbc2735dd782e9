"""Batches of generated faces, rendered when they are needed; each of another person."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from data_prep.faces.synthetic import Photo, render_photo


@dataclass(frozen=True)
class GeneratedFaces:
    """Class k is person k of `data synth`."""

    classes: int

    def batch(self, step: int, size: int) -> tuple[Tensor, Tensor]:
        """Images (size, 3, 112, 112), RGB in [−1, 1], and labels (size,)."""
        people = [k % self.classes for k in range(step * size, (step + 1) * size)]
        encoded = [render_photo(0, Photo(0, person, 0)) for person in people]
        pixels = np.stack(
            [cv2.imdecode(np.frombuffer(e, np.uint8), 1)[:, :, ::-1] for e in encoded]
        )
        images = torch.from_numpy(pixels.copy()).permute(0, 3, 1, 2)
        return (images.float() - 127.5) / 127.5, torch.tensor(people)
