"""What every test may use: the folder of real data, when there is one."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

# Two workers on two cores: a pool of threads in each would only spin against the other's.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first: none of them is left for one worker when the other has nothing to do."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder named by ARCFACE_PLUS_REAL_DATA; the test is skipped where it is absent."""
    named = os.environ.get("ARCFACE_PLUS_REAL_DATA", "")
    if not named or not Path(named).is_dir():
        pytest.skip("no real data here (set ARCFACE_PLUS_REAL_DATA to its folder)")
    return Path(named)


@pytest.fixture(scope="session")
def write_tar() -> Callable[[Path, Mapping[str, bytes]], Path]:
    """A function that writes a .tar of files, in their order, as Python's tarfile does."""

    def write(path: Path, files: Mapping[str, bytes]) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w") as tar:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return path

    return write


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small generated data set: 6 people with 8 images each, 40 pairs a pair file. Read only."""
    from data_prep.faces.synthetic import generate

    folder = tmp_path_factory.mktemp("synthetic")
    generate(folder / "set", identities=6, images=8, pairs=40, seed=3)
    return folder / "set"


@pytest.fixture
def tiny_settings(synthetic: Path) -> list[str]:
    """`--set` arguments that make any shipped config a matter of seconds on a CPU."""
    return [
        f"data.train={synthetic}",
        "data.batch_size=8",
        "data.threads=1",
        "model.backbone={name: mobilefacenet, width: 0.125}",
        "model.embedding_dim=16",
        "optimizer.steps=2",
        "optimizer.lr=0.01",
        "runtime.precision=fp32",
        "runtime.device=cpu",
        "eval.targets=[synth_frontal]",
        "eval.every=1000",
        "checkpoint.every=1000",
        "logging.every=1",
    ]
