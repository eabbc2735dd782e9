"""Files of `torch.save` by strangers: nothing runs, little memory, one line for what is wrong."""

from __future__ import annotations

import os
import pickle
import resource
import subprocess
import sys
import tarfile
import types
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch

from arcface_plus.embedder import torch_file
from arcface_plus.embedder.load import load_embedder
from arcface_plus.embedder.torch_file import CARD, read_torch_file
from data_prep.errors import DataError

STATE = {"fc.weight": torch.arange(6.0).reshape(2, 3), "fc.bias": torch.zeros(2)}


def complaint(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_torch_file(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))
    return str(caught.value)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("key", ["", "state_dict", "model", "backbone", "state_dict_backbone"])
def test_state_dicts_under_usual_keys(tmp_path, recwarn, key, zipped):
    content = {key: STATE, "epoch": 3, "optimizer": {"lr": 0.1}} if key else STATE
    path = tmp_path / "m.pt"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    tensors, card = read_torch_file(path)
    assert tensors.keys() == STATE.keys()
    assert torch.equal(tensors["fc.weight"], STATE["fc.weight"])
    assert card is None
    assert not recwarn.list  # torch warns of its old formats; a line of ours is all that is said


def test_our_card_is_in_the_metadata(tmp_path):
    state = OrderedDict(STATE)
    state._metadata = {"": {"version": 1}, CARD: "{}"}  # type: ignore[attr-defined]
    torch.save(state, tmp_path / "m.pt")
    assert read_torch_file(tmp_path / "m.pt")[1] == "{}"


@pytest.fixture
def lightning(monkeypatch):
    """A class as Lightning pickles it into its checkpoints, of a module that is not there later."""
    module = types.ModuleType("pytorch_lightning.callbacks.model_checkpoint")

    class ModelCheckpoint:
        def __reduce__(self):
            return ModelCheckpoint, (1, "val")

    ModelCheckpoint.__module__, ModelCheckpoint.__qualname__ = module.__name__, "ModelCheckpoint"
    module.ModelCheckpoint = ModelCheckpoint  # type: ignore[attr-defined]
    for name in ("pytorch_lightning", "pytorch_lightning.callbacks"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return ModelCheckpoint


@pytest.mark.parametrize("zipped", [True, False])
def test_lightnings_by_products_are_left_out(tmp_path, lightning, monkeypatch, zipped):
    path = tmp_path / "epoch=3.ckpt"
    content = {
        "epoch": 3,
        "state_dict": STATE,
        "callbacks": {lightning: {"best": Path("/tmp/x"), "it": lightning()}},
        "hyper_parameters": {"path": Path("a/b")},
    }
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    monkeypatch.delitem(sys.modules, "pytorch_lightning.callbacks.model_checkpoint")
    tensors, _ = read_torch_file(path)
    assert torch.equal(tensors["fc.weight"], STATE["fc.weight"])
    assert "pytorch_lightning.callbacks.model_checkpoint" not in sys.modules


class Evil:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    evil = Evil(tmp_path / "owned")
    torch.save({"fc.weight": evil}, tmp_path / "evil.pt")
    torch.save({"fc.weight": evil}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(evil, 2))
    for name in ("evil.pt", "old.pt", "evil.pth"):
        with pytest.raises(DataError, match=r"without running code .*mkdir"):
            load_embedder(tmp_path / name)
    (tmp_path / "four.pth").write_bytes(pickle.dumps(evil, 4))
    assert "not pickled by torch.save" in complaint(tmp_path / "four.pth")
    assert not (tmp_path / "owned").exists()


def test_a_pickled_module_says_how_to_save_it(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "m.pt")
    said = complaint(tmp_path / "m.pt")
    assert "m.pt: a whole network (torch.nn.modules.linear.Linear), which can only" in said
    assert "save it again with torch.save(model.state_dict(), PATH)" in said
    assert said.isprintable()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "m.pt")
    assert "a TorchScript archive; save it again with torch.save(model.st" in complaint(
        tmp_path / "m.pt"
    )


def test_archives_of_other_kinds_are_named(tmp_path):
    path = tmp_path / "m.tar"
    with tarfile.open(path, "w") as archive:
        archive.add(__file__)
    assert "a tar archive; unpack it" in complaint(path)
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("a.txt", "x" * 100)
    assert "not one that torch.save wrote" in complaint(path)
    for content in ({}, {"a": 1}, [1], {"state_dict": {}}):
        torch.save(content, path)
        assert "contains no " in complaint(path)
    assert "no such checkpoint" in complaint(tmp_path / "gone.pt")


@pytest.mark.parametrize("zipped", [True, False])
def test_flipped_bytes_and_cuts_are_one_line(tmp_path, zipped):
    path = tmp_path / "m.pt"
    torch.save(STATE, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    for at in range(0, len(whole), 11):
        for damaged in (whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :], whole[:at]):
            path.write_bytes(damaged)
            try:
                read_torch_file(path)
            except DataError as error:
                assert "\n" not in str(error)  # noqa: PT017  (most flips hit padding or numbers)


def bombs(folder: Path) -> dict[str, Path]:
    """Small files that ask for gigabytes, each in another way."""
    made = {}

    def path(name: str) -> Path:
        made[name] = folder / f"{name}.pt"
        return made[name]

    torch.save({"fc.weight": torch.zeros(()).expand(100_000, 30_000)}, path("expanded"))
    torch.save({"w": torch.zeros(1 << 16).expand(50_000, 1 << 16)}, path("repeated"))
    one = torch.zeros(1 << 18)
    torch.save({f"w{k}": one.view(512, 512) for k in range(12_000)}, path("shared"))
    torch.save({"w": torch.zeros(1 << 26)}, folder / "stored.pt")
    with (
        zipfile.ZipFile(folder / "stored.pt") as stored,
        zipfile.ZipFile(path("deflated"), "w", zipfile.ZIP_DEFLATED) as deflated,
    ):
        for entry in stored.namelist():
            deflated.writestr(entry, stored.read(entry))

    class Bytes:
        def __reduce__(self):
            return bytearray, (1 << 33,)

    class Text:
        def __init__(self, text: str) -> None:
            self.text = text

        def __reduce__(self):
            import _codecs

            return _codecs.encode, (self.text, "utf-16")

    torch.save({"w": Bytes()}, path("bytearray"))
    text = "x" * (1 << 20)
    torch.save({str(k): Text(text) for k in range(5000)}, path("encoded"))
    return made


@pytest.mark.slow
def test_small_files_do_not_take_gigabytes(tmp_path):
    files = bombs(tmp_path)
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from arcface_plus.embedder.load import load_embedder\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10\n"
        "before = peak()\n"
        "for name in sys.argv[1:]:\n"
        "    try: load_embedder(Path(name)); print('loaded', name)\n"
        "    except ValueError as error: assert chr(10) not in str(error), error\n"
        "    assert peak() - before < 400, (name, before, peak())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, files.values())],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (8 << 30, 8 << 30)),
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_a_pickle_longer_than_any_state_dicts_is_refused(tmp_path, monkeypatch):
    """Every opcode may make an object, so their number bounds the memory."""
    torch.save(STATE, tmp_path / "m.pt")
    monkeypatch.setattr(torch_file, "_STEPS_LIMIT", 200)
    assert read_torch_file(tmp_path / "m.pt")[0].keys() == STATE.keys()
    torch.save(STATE | {"lists": [[] for _ in range(500)]}, tmp_path / "long.pt")
    assert "refused: its pickle is longer than any state dict's" in complaint(tmp_path / "long.pt")
