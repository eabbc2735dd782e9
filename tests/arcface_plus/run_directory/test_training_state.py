"""training.pt: what cannot be read is told apart from what a newer version wrote."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch
from checkpoints import as_schema, save, training, without_manifest

from arcface_plus.run_directory.manifest import UnusableState
from arcface_plus.run_directory.training_state import (
    SCHEMA,
    load_class_weights,
    load_training,
    write_training,
)
from data_prep.errors import DataError


@pytest.fixture
def checkpoint(tmp_path) -> Path:
    """Without a manifest, so that the file itself has to tell."""
    return as_schema(2, save(tmp_path, 4))


def test_what_is_damaged_is_unusable(checkpoint):
    file = checkpoint / "training.pt"
    whole = file.read_bytes()
    for data in (whole[:1000], b"", b"PK\x03\x04 no zip"):
        file.write_bytes(data)
        with pytest.raises(UnusableState, match=r"training\.pt: unreadable"):
            load_training(checkpoint)
    for content in ({"step": 1}, [1, 2], {"schema": SCHEMA, "unknown": 1}):
        torch.save(content, file)
        with pytest.raises(UnusableState, match="not a checkpoint of this program"):
            load_training(checkpoint)
    file.unlink()
    with pytest.raises(UnusableState, match=r"no such file; is .*step_00000004 a checkpoint"):
        load_training(checkpoint)


def test_a_newer_version_is_not_called_damage(checkpoint):
    content = vars(training(4)) | {"schema": SCHEMA + 1, "new": 1}
    torch.save(content, checkpoint / "training.pt")
    with pytest.raises(DataError, match=r"newer version .*\(schema 5.* update") as caught:
        load_training(checkpoint)
    assert not isinstance(caught.value, UnusableState)


def test_a_state_of_schema_1_is_read(checkpoint):
    content = vars(training(4, schema=1))
    new = ("run_id", "data_digest", "precision", "channels_last", "regularizer", "auxiliary")
    for key in (*new, "schema"):
        del content[key]
    torch.save(content, checkpoint / "training.pt")
    found = load_training(checkpoint)
    assert (found.identity, found.data_digest, found.channels_last) == ("", "", None)


def test_from_schema_3_on_a_manifest_is_needed(tmp_path):
    checkpoint = without_manifest(save(tmp_path, 4))
    with pytest.raises(UnusableState, match=r"manifest\.json: no such file"):
        load_training(checkpoint)


def test_no_code_is_run(checkpoint, tmp_path):
    class Hostile:
        def __reduce__(self):
            return Path.touch, (tmp_path / "owned",)

    torch.save({"step": Hostile()}, checkpoint / "training.pt")
    with pytest.raises(UnusableState):
        load_training(checkpoint)
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("good_writes", [0, 1, 5])
def test_a_full_disk_is_told_with_the_file(tmp_path, monkeypatch, good_writes):
    """torch alone says `internal error … unexpected pos`."""
    from arcface_plus.run_directory import training_state

    class Full:
        def __init__(self, file):
            self._file, self._left = file, good_writes

        def write(self, data):
            if self._left == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            self._left -= 1
            return self._file.write(data)

        def flush(self):
            self._file.flush()

    real = training_state._Sink
    monkeypatch.setattr(training_state, "_Sink", lambda file: real(Full(file)))
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_training(tmp_path / "training.pt", training(1))
    assert caught.value.filename == str(tmp_path / "training.pt")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("schema", [2, 3, SCHEMA])
def test_class_weights_are_found_in_every_schema(tmp_path, schema):
    checkpoint = save(tmp_path, 4)
    if schema < SCHEMA:
        as_schema(schema, checkpoint)
    assert load_class_weights(checkpoint).tolist() == [[4.0, 4.0]] * 3


def test_damaged_class_weights_are_not_returned(tmp_path):
    checkpoint = save(tmp_path, 4)
    file = checkpoint / "classes-00000-of-00001.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + b"\x01")
    with pytest.raises(UnusableState, match=f"{file.name}: damaged"):
        load_class_weights(checkpoint)
