"""Read gallery, probes and distractors from the user's files, for `eval.identification`.

Each is an image set with classes (a folder with one folder per identity, a .rec, tar shards), which
needs an embedder, or a file of embeddings, which does not. Distractors are embedded block by block
and not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from arcface_plus.embedder.load import Embedder
from arcface_plus.evaluation.protocol_embedding import Progress, embed_encoded
from data_prep.errors import DataError, UserError
from data_prep.image_sets import ImageSet, open_image_set
from eval.embeddings import FaceFile, Faces
from eval.identification import IdentificationResult, identify
from eval.search import NUMPY, ArrayLibrary

EMBEDDED_AT_ONCE = 512


class FaceImages:
    """The images of a set as embeddings, with mirror images added as in verification."""

    dimensions: int | None = None

    def __init__(
        self,
        images: ImageSet,
        labels: NDArray[Any] | None,
        embedder: Embedder,
        batch_size: int,
        progress: Progress | None = None,
    ) -> None:
        self.name, self.labels = str(images.path), labels
        self._images, self._embedder = images, embedder
        self._batch_size, self._progress = batch_size, progress

    def __len__(self) -> int:
        return len(self._images)

    def blocks(self, size: int) -> Iterator[NDArray[np.floating]]:
        size = min(size, EMBEDDED_AT_ONCE)
        for start in range(0, len(self), size):
            rows = range(start, min(start + size, len(self)))
            found = embed_encoded(
                self._embedder,
                [self._images.read(i) for i in rows],
                self._batch_size,
                lambda i, start=start: f"{self.name}: {self.row(start + i)}",  # type: ignore[misc]
                flip=True,
            )
            if self._progress is not None:
                self._progress(rows.stop, len(self))
            yield found.summed

    def row(self, i: int) -> str:
        return self._images.name(i)


def open_faces(
    path: Path,
    embedder: Callable[[], Embedder] | None,
    batch_size: int,
    *,
    numbers_count: bool = True,
    progress: Progress | None = None,
) -> Faces:
    """An image set, .npz or .npy as embeddings with labels.

    Args:
        embedder: called if images have to be embedded; None if there is no model.
        numbers_count: whether class numbers identify people in a set without class names.
            In gallery and probes a number is taken to mean the same person; class 7 of another
            data set's distractors is a different person.

    Raises:
        UserError: not such a file or set, or images but no embedder.
    """
    if path.suffix in (".npz", ".npy"):
        return FaceFile(path)
    images = open_image_set(path)
    if images.same is not None:
        raise UserError(
            f"{path}: a pair file does not state identities; give a folder with one folder per "
            "identity, a .rec, tar shards or an .npz"
        )
    labels = _identities(images)
    if labels is not None and labels.dtype.kind == "i" and not numbers_count:
        labels = None
    if embedder is None:
        raise UserError(f"{path}: contains images; give the model to embed them with as --ckpt")
    return FaceImages(images, labels, embedder(), batch_size, progress)


def identify_files(
    gallery: Path,
    probes: Path | None,
    distractors: Path,
    *,
    embedder: Callable[[], Embedder] | None,
    device: torch.device,
    batch_size: int,
    progress: Callable[[str], Progress | None] = lambda what: None,
    warn: Callable[[str], None] = lambda text: None,
) -> IdentificationResult:
    """`eval.identification.identify` on the user's files; all are opened before any work.

    `warn` is called if the files of embeddings were made by different models.
    """
    _check_distinct(gallery, probes, distractors)
    opened = {
        what: open_faces(
            path,
            embedder,
            batch_size,
            numbers_count=what != "distractors",
            progress=progress(f"embed {what}") if what != "distractors" else None,
        )
        for what, path in (("gallery", gallery), ("probes", probes), ("distractors", distractors))
        if path is not None
    }
    if doubt := _made_differently(opened.values()):
        warn(doubt)
    on_gpu = device.type == "cuda"
    return identify(
        opened["gallery"],
        opened["distractors"],
        opened.get("probes"),
        library=torch_library(device) if on_gpu else NUMPY,
        block=32768 if on_gpu else 4096,
        progress=progress("distractors"),
    )


def _check_distinct(gallery: Path, probes: Path | None, distractors: Path) -> None:
    """Raise UserError if one file is given twice, which makes the figures meaningless."""
    if probes is not None and _same(gallery, probes):
        raise UserError(
            f"{probes}: given as gallery and as probes, so every probe would find itself; leave "
            "--probes out to match each image against the others of its identity"
        )
    for other in (gallery, probes):
        if other is not None and _same(other, distractors):
            raise UserError(
                f"{distractors}: also given as gallery or probes; distractors must be other people"
            )


def _made_differently(opened: Iterable[Faces]) -> str:
    """A warning if files of embeddings state that they come from different models, else ""."""
    made = {f.name: f.made_with for f in opened if isinstance(f, FaceFile) and f.made_with}
    if len(set(made.values())) < 2:
        return ""
    listed = "; ".join(f"{name}: {what}" for name, what in made.items())
    return f"the embeddings come from different models or settings ({listed}); make all with one"


def torch_library(device: torch.device) -> ArrayLibrary:
    """PyTorch's tensors on a device, in full float32: TF32 errors of 1e-3 would change ranks."""
    torch.set_float32_matmul_precision("highest")

    def put(array: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device)

    return ArrayLibrary(put=put, get=lambda tensor: tensor.cpu().numpy())


def _identities(images: ImageSet) -> NDArray[Any] | None:
    """The identity of each image: its class's name, or number if unnamed; None without classes."""
    if not images.has_classes:
        return None
    images.require_classes()
    labels = images.labels
    if not images.class_names:
        return labels
    nameless = sorted(set(labels.tolist()) - images.class_names.keys())
    if nameless:
        raise DataError(
            f"{images.folder / 'labels.json'}: has no name for class {nameless[0]} of "
            f"{images.path.name}; delete the file or pack the set again"
        )
    return np.array([images.class_names[label] for label in labels.tolist()])


def _same(a: Path, b: Path) -> bool:
    return a.exists() and b.exists() and a.resolve() == b.resolve()
