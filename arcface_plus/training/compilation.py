"""torch.compile with a fallback: tried before the first step, undone where it does not work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import nn


def compile_in_place(
    backbone: nn.Module, images: torch.Tensor, autocast: AbstractContextManager[object]
) -> str | None:
    """Compile `backbone` for batches like `images`, forward and backward, and run it once.

    Returns None, or one line that says why compilation fails here (no compiler, no Triton, …); the
    backbone then runs uncompiled. Parameters, buffers and names do not change.
    """
    buffers = {name: buffer.clone() for name, buffer in backbone.named_buffers()}
    backbone.compile()
    try:
        with autocast:
            embeddings = backbone(images)
        embeddings.sum().backward()
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # dynamo, its backends and Triton each raise their own types
        backbone._compiled_call_impl = None  # set by Module.compile(), which has no public undo
        return _cause(error)
    finally:
        with torch.no_grad():
            for name, buffer in backbone.named_buffers():
                buffer.copy_(buffers[name])
        backbone.zero_grad(set_to_none=True)
    return None


@contextmanager
def uncompiled(backbone: nn.Module) -> Iterator[None]:
    """A context in which a compiled `backbone` runs uncompiled.

    For verification: the results then equal those of `eval verify`, and no time is spent compiling
    for evaluation mode and other batch sizes (minutes for a network of r50's size).
    """
    compiled, backbone._compiled_call_impl = backbone._compiled_call_impl, None
    try:
        yield
    finally:
        backbone._compiled_call_impl = compiled


def _cause(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
