"""Writes .safetensors files tensor by tensor, and hashes them on the way.

`safetensors.torch.save` holds two more copies of everything in memory, and its `save_file` neither
syncs nor says why a write failed. The format is a JSON header and the bytes of the tensors:
https://huggingface.co/docs/safetensors. Files are read with the library.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from arcface_plus.run_directory.manifest import Content
from data_prep.files import replacing

_NAMES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8",
    torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip


def write_tensors(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> Content:
    """Write tensors (on any device) as a .safetensors file that appears whole; see `replacing`."""
    wide_first = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header = _header(tensors, wide_first, metadata or {})
    digest, size = hashlib.sha256(header), len(header)
    with replacing(path) as file:
        file.write(header)
        for name in wide_first:
            data = tensors[name].detach().cpu().contiguous()
            # not reshape(-1): the stride of one element may be any, and `view` refuses it
            flat = data.as_strided((data.numel(),), (1,))
            content = memoryview(flat.view(torch.uint8).numpy())  # type: ignore[arg-type]
            file.write(content)
            digest.update(content)
            size += len(content)
    return Content(size, digest.hexdigest())


def _header(tensors: Mapping[str, Tensor], names: list[str], metadata: Mapping[str, str]) -> bytes:
    """Length and JSON text, padded so that the tensors, in this order, are aligned."""
    described: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name in names:
        tensor = tensors[name]
        begin, end = end, end + tensor.numel() * tensor.element_size()
        described[name] = {
            "dtype": _NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(described, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text
