"""torch.compile with a way back: tried before the first step, and left where it cannot work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import nn


def compile_in_place(
    backbone: nn.Module, images: torch.Tensor, autocast: AbstractContextManager[object]
) -> str | None:
    """Compile `backbone` for batches like `images`, forward and backward, and run it once.

    Returns None, or in one line why it cannot be compiled here (no compiler, no Triton, …); it then
    runs as before. Parameters, buffers and names stay as they are.
    """
    buffers = {name: buffer.clone() for name, buffer in backbone.named_buffers()}
    backbone.compile()
    try:
        with autocast:
            embeddings = backbone(images)
        embeddings.sum().backward()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # dynamo, its backends and Triton each raise their own
        backbone._compiled_call_impl = None  # what Module.compile() has set; there is no undo
        return _cause(error)
    finally:
        with torch.no_grad():
            for name, buffer in backbone.named_buffers():
                buffer.copy_(buffers[name])
        backbone.zero_grad(set_to_none=True)
    return None


@contextmanager
def uncompiled(backbone: nn.Module) -> Iterator[None]:
    """Inside, a compiled `backbone` runs as it was written.

    For verification: its numbers are then those of `eval verify`, and no time goes into compiling
    for its mode and batch sizes, which is minutes for a network of r50's size.
    """
    compiled, backbone._compiled_call_impl = backbone._compiled_call_impl, None
    try:
        yield
    finally:
        backbone._compiled_call_impl = compiled


def _cause(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
