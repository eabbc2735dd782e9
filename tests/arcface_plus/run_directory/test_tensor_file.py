"""A .safetensors file that the library reads, with the hash of what is on the disk."""

from __future__ import annotations

import errno
import hashlib

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from arcface_plus.run_directory import tensor_file
from arcface_plus.run_directory.tensor_file import write_tensors

DTYPES = list(tensor_file._NAMES)


def tensors() -> dict[str, torch.Tensor]:
    made = {str(dtype): (torch.arange(-2, 4).view(2, 3) * 3).to(dtype) for dtype in DTYPES}
    image = torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    return made | {
        "scalar": torch.tensor(7.5), "empty": torch.empty(0, 512), "ä \"quoted\"": torch.ones(1),
        "channels last": image, "transposed": torch.randn(3, 5).T,
        "one of a column": torch.randn(5, 4)[3:4, 0],
        "not a number": torch.tensor([float("nan"), -0.0, float("inf")]),
    }  # fmt: skip


def test_the_library_reads_every_tensor_bit_for_bit(tmp_path):
    given, path = tensors(), tmp_path / "a.safetensors"
    written = write_tensors(path, given, {"checkpoint": "run step 3"})
    data = path.read_bytes()
    assert (written.bytes, written.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert [file.name for file in tmp_path.iterdir()] == ["a.safetensors"]
    found = load_file(path)
    assert found.keys() == given.keys()
    for name, tensor in given.items():
        one, other = found[name], tensor.contiguous()
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
        assert (
            one.numpy(force=True).tobytes() == other.numpy().tobytes()
            if (one.dtype != torch.bfloat16)
            else torch.equal(one, other)
        ), name
    with safe_open(path, "pt") as file:
        assert file.metadata() == {"checkpoint": "run step 3"}
        assert file.get_slice("transposed")[1:3].tolist() == given["transposed"][1:3].tolist()


def test_nothing_at_all_is_a_file_too(tmp_path):
    write_tensors(tmp_path / "a", {})
    assert load_file(tmp_path / "a") == {}


def test_a_full_disk_is_told_with_the_file_and_leaves_nothing(tmp_path, monkeypatch):
    class Full:
        def __init__(self, file):
            self._file = file

        def write(self, data):
            if len(data) > 100:
                raise OSError(errno.ENOSPC, "No space left on device")
            return self._file.write(data)

        def __getattr__(self, name):
            return getattr(self._file, name)

    import contextlib

    real = tensor_file.replacing

    @contextlib.contextmanager
    def full(path):
        with real(path) as file:
            yield Full(file)

    monkeypatch.setattr(tensor_file, "replacing", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_tensors(tmp_path / "a", {"x": torch.zeros(100)})
    assert caught.value.filename == str(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
