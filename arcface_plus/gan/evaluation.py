"""What a GAN is looked at by: a picture of generated images, and their inception score."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arcface_plus.gan.config import SPLITS
from arcface_plus.gan.generator import Generator
from arcface_plus.gan.images import RealImages
from arcface_plus.gan.inception_score import InceptionScore, inception_score
from arcface_plus.gan.judge import Judge
from arcface_plus.gan.latents import Stream, latents
from arcface_plus.run_directory.entries import SAMPLES_FOLDER
from arcface_plus.run_directory.finished import verification_file
from data_prep.errors import DataError
from data_prep.files import make_folder, write_bytes, write_text
from data_prep.json_file import read_json_mapping

_ROWS = 8  # of the picture, and columns
_ENLARGED = 2
_GAP = 2
_BATCH = 250  # images that are generated and classified at a time

TASK = "gan"


class Abandoned(Exception):
    """A signal arrived during an evaluation."""


@dataclass
class Evaluation:
    """Writes RUN/samples/step_N.png and RUN/eval/step_N.json.

    judge: None: pictures alone. samples: how many images are scored.
    """

    run: Path
    seed: int
    samples: int
    real: RealImages
    judge: Judge | None = None
    _real_score: InceptionScore | None = field(default=None, init=False)

    def make(self, generator: Generator, step: int, stopped: Callable[[], bool]) -> dict[str, Any]:
        """The figures of the generator after `step` steps, as they are written.

        Raises Abandoned once `stopped`: a score may take minutes.
        """
        device = self.real.pixels.device
        generator.eval()
        try:
            z = latents(Stream.PICTURE, self.seed, 0, _ROWS**2, generator.latent_dim).to(device)
            figures: dict[str, Any] = {"schema": 1, "task": TASK, "step": step}
            if self.judge is not None:
                figures |= self._scores(generator, self.judge, stopped)
            write_picture(self.picture(step), generated(generator, z).cpu().numpy())
        finally:
            generator.train()
        file = verification_file(self.run, step)
        make_folder(file.parent)
        write_text(file, json.dumps(figures, indent=2) + "\n")
        return figures

    def made(self, step: int) -> dict[str, Any] | None:
        """The figures that were written after `step` by this judge; None: there are none."""
        found = _read(verification_file(self.run, step))
        if found is None or not self.picture(step).is_file():
            return None
        return found if self._is_ours(found) else None

    def best(self) -> dict[str, Any] | None:
        """The evaluation with the highest score by this judge, on as many samples."""
        folder = verification_file(self.run, 0).parent
        found = [_read(file) for file in sorted(folder.glob("step_*.json"))]
        ours = [f for f in found if f is not None and self.judge and self._is_ours(f)]
        return max(ours, key=lambda f: float(f["inception_score"]["mean"]), default=None)

    def picture(self, step: int) -> Path:
        return self.run / SAMPLES_FOLDER / f"step_{step:08d}.png"

    def _is_ours(self, figures: Mapping[str, Any]) -> bool:
        if self.judge is None:
            return True
        return (figures.get("samples"), figures.get("classifier")) == (
            self.samples,
            self.judge.facts,
        )

    def _scores(
        self, generator: Generator, judge: Judge, stopped: Callable[[], bool]
    ) -> dict[str, Any]:
        """The score of generated images, and of as many real ones, which no GAN should exceed."""
        if self._real_score is None:
            self._real_score = _score(
                judge, self.real.pixels[: self.samples].split(_BATCH), stopped
            )
        made = _score(judge, self._generated(generator), stopped)
        return {
            "samples": self.samples,
            "classifier": judge.facts,
            "inception_score": made.to_json(),
            "real_images": self._real_score.to_json(),
        }

    def _generated(self, generator: Generator) -> Iterator[Tensor]:
        for number, start in enumerate(range(0, self.samples, _BATCH)):
            count = min(_BATCH, self.samples - start)
            z = latents(Stream.SCORE, self.seed, number, count, generator.latent_dim)
            yield generated(generator, z.to(self.real.pixels.device))


@torch.no_grad()
def generated(generator: Generator, z: Tensor) -> Tensor:
    """Latent vectors (n, latent_dim) → pixels (n, 32, 32, 3) uint8, as an image file has them."""
    images = generator(z).add(1.0).mul(127.5).round().clamp(0, 255)
    return images.to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def write_picture(file: Path, pixels: NDArray[np.uint8]) -> None:
    """A square of k² images (k², h, w, 3) RGB, enlarged, with gaps, as PNG."""
    side = int(len(pixels) ** 0.5)
    assert side**2 == len(pixels)
    edge = _ENLARGED * pixels.shape[1] + _GAP
    sheet = np.full((side * edge + _GAP, side * edge + _GAP, 3), 255, np.uint8)
    for number, image in enumerate(pixels.repeat(_ENLARGED, axis=1).repeat(_ENLARGED, axis=2)):
        top, left = (_GAP + edge * k for k in divmod(number, side))
        sheet[top : top + len(image), left : left + image.shape[1]] = image
    done, encoded = cv2.imencode(".png", sheet[..., ::-1])
    assert done
    make_folder(file.parent)
    write_bytes(file, encoded.tobytes())


def text_of(figures: Mapping[str, Any]) -> str:
    """The score for a line on the terminal; empty if there is none."""
    if "inception_score" not in figures:
        return ""
    made, real = figures["inception_score"], figures["real_images"]
    return (
        f"inception score {made['mean']:.3f} ± {made['std']:.3f} (real images {real['mean']:.3f}; "
        f"by {figures['classifier']['name']})"
    )


def _score(judge: Judge, batches: Iterator[Tensor] | tuple[Tensor, ...], stopped: Callable[[], bool]
           ) -> InceptionScore:  # fmt: skip
    found = []
    for pixels in batches:
        if stopped():
            raise Abandoned
        found.append(judge.probabilities(pixels))
    return inception_score(np.concatenate(found), SPLITS)


def _read(file: Path) -> dict[str, Any] | None:
    try:
        found = read_json_mapping(file)
        if "inception_score" in found:
            float(found["inception_score"]["mean"])  # type: ignore[index]
    except (OSError, DataError, KeyError, TypeError, ValueError):
        return None
    return found
