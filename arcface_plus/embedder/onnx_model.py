"""ONNX models, ours and other projects': one image input, one embedding output.

The input format comes from the file. Our exports state it in their metadata (`channel_order`,
`mean`, `scale`). InsightFace's convention is in the graph: if it starts with a subtraction and a
multiplication, the network normalizes its input itself and takes RGB from 0 to 255; otherwise the
input is (x − 127.5)/127.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from arcface_plus.embedder.feeding import Feeding
from data_prep.crop_size import SIDE
from data_prep.errors import DataError, UserError, first_line

_RAW = Feeding(mean=0.0, scale=1.0)
_UNIT = Feeding(mean=0.0, scale=255.0)
_INPUT_TYPES: dict[str, type[np.number[Any]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
_SIDES = (32, 512)  # smallest and largest side of the images that recognition networks take
_LARGEST_BATCH = 1024
_LARGEST = 20.0
"""No network takes larger values of normalized pixels: if they would be larger with pixels from 0
to 255, the network expects pixels from 0 to 1."""


def open_onnx(
    path: Path, device: torch.device
) -> tuple[Callable[[torch.Tensor], torch.Tensor], Feeding, str]:
    """The forward function (n, 3, side, side) float32 → (n, d) float32, its input format, a doubt.

    The doubt is "" if the file states the format. DataError (one line) for an unusable file.
    """
    session = _session(path, device)
    try:
        wanted = _wanted(session, path)
        metadata = session.get_modelmeta().custom_metadata_map
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a readable ONNX model ({first_line(error)})") from None
    takes_bytes = wanted.number is np.uint8
    feeding, note = (_RAW, "") if takes_bytes else stated_feeding(path, metadata)
    forward = _Network(session, wanted, path)
    return forward, replace(feeding, side=wanted.layout.side), note


@dataclass(frozen=True)
class _Layout:
    side: int
    channels_last: bool


@dataclass(frozen=True)
class _Wanted:
    """The input of a model; `batch`: the batch size fixed by the graph, None if it is dynamic."""

    name: str
    number: type[np.number[Any]]
    layout: _Layout
    batch: int | None


def _wanted(session: Any, path: Path) -> _Wanted:
    """The model's input; DataError if it does not take images."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    layout = _layout(inputs[0].shape) if len(inputs) == len(outputs) == 1 else None
    if layout is None:
        found = ", ".join(f"{i.name} {i.shape}" for i in inputs)
        raise DataError(
            f"{path}: expected one input of square images (N×3×S×S or N×S×S×3, S from "
            f"{_SIDES[0]} to {_SIDES[1]}) and one output, found {found} and {len(outputs)} outputs"
        )
    number = _INPUT_TYPES.get(inputs[0].type)
    if number is None:
        raise DataError(f"{path}: its input is {inputs[0].type}, not float or uint8")
    first = inputs[0].shape[0]
    batch = first if isinstance(first, int) else None
    if batch is not None and not 0 < batch <= _LARGEST_BATCH:
        raise DataError(
            f"{path}: takes batches of {batch}; export it with a dynamic batch size, or with one "
            f"of at most {_LARGEST_BATCH}"
        )
    return _Wanted(inputs[0].name, number, layout, batch)


class _Network:
    """(n, 3, side, side) float32 → (n, d) float32 by ONNX Runtime; input and output on the CPU."""

    def __init__(self, session: Any, wanted: _Wanted, path: Path) -> None:
        self._session, self._wanted, self._path = session, wanted, path

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        images, size = images.cpu(), self._wanted.batch
        return torch.cat([self._embed(batch) for batch in images.split(size or len(images))])

    def _embed(self, batch: torch.Tensor) -> torch.Tensor:
        # If the graph fixes the batch size, the last batch is padded.
        short = (self._wanted.batch or len(batch)) - len(batch)
        padded = torch.cat([batch, batch[-1:].expand(short, -1, -1, -1)]) if short else batch
        ordered = padded.permute(0, 2, 3, 1) if self._wanted.layout.channels_last else padded
        feed = ordered.contiguous().numpy().astype(self._wanted.number, copy=False)
        try:
            outputs = self._session.run(None, {self._wanted.name: feed})
            found = np.asarray(outputs[0], np.float32)
        except Exception as error:  # as in `_session`
            raise DataError(
                f"{self._path}: ONNX Runtime cannot run it ({first_line(error)})"
            ) from None
        if found.ndim < 2 or len(found) != len(padded):
            raise DataError(
                f"{self._path}: its output for {len(padded)} images is {found.shape}, not (n, d)"
            )
        return torch.from_numpy(found.reshape(len(padded), -1)[: len(batch)])


def _session(path: Path, device: torch.device) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise UserError(f"{path}: reading ONNX needs `pip install arcface-plus[onnx]`") from None
    if not path.is_file():
        raise DataError(f"{path}: no such model file")
    providers: list[Any] = ["CPUExecutionProvider"]
    if device.type == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        # No TF32, as for our own networks: results must not depend on the machine.
        cuda = {"device_id": device.index or 0, "use_tf32": 0}
        providers.insert(0, ("CUDAExecutionProvider", cuda))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors come as exceptions
    try:
        # ONNX Runtime's own fallback prints to stdout and retries the same.
        return onnxruntime.InferenceSession(path, options, providers=providers, enable_fallback=0)
    except Exception as error:  # onnxruntime's exceptions share no base but Exception
        raise DataError(f"{path}: not a readable ONNX model ({first_line(error)})") from None


def _layout(shape: list[int | str | None]) -> _Layout | None:
    """The layout of an image input of this shape; None if it is not one.

    A height or width that the graph leaves dynamic (a name or None) is taken as 112.
    """
    if len(shape) != 4:
        return None
    for channels, rows, columns in ((1, 2, 3), (3, 1, 2)):
        sides = {n for n in (shape[rows], shape[columns]) if isinstance(n, int)} or {SIDE}
        side = min(sides)
        fits = not isinstance(shape[channels], int) or shape[channels] == 3
        if fits and len(sides) == 1 and _SIDES[0] <= side <= _SIDES[1]:
            return _Layout(side, channels_last=channels == 3)
    return None


def stated_feeding(path: Path, metadata: Mapping[str, str]) -> tuple[Feeding, str]:
    """The input format that the file states, and why it may be wrong ("" if it is known)."""
    if "mean" in metadata and "scale" in metadata:
        try:
            order = metadata.get("channel_order", "RGB").upper()
            return Feeding(float(metadata["mean"]), float(metadata["scale"]), order), ""
        except ValueError as error:
            raise DataError(f"{path}: its metadata has an invalid input format: {error}") from None
    try:
        import onnx
    except ImportError:
        return Feeding(), (
            "its metadata does not state its input format, and reading its graph needs "
            "`pip install arcface-plus[onnx]`"
        )
    graph = onnx.load(path, load_external_data=False).graph
    try:
        steps = list(_arithmetic(graph))
    except ValueError as error:  # a constant whose size does not match its shape
        raise DataError(f"{path}: not a readable ONNX model ({first_line(error)})") from None
    if {"shift", "factor"} - {kind for kind, _, _ in steps}:
        return Feeding(), "the file does not state its input format"
    values = [value for *_, value in steps]
    if any(value is None for value in values) or _reach(steps, 255.0) <= _LARGEST:
        return _RAW, "its graph normalizes its input"
    if _reach(steps, 1.0) <= _LARGEST:
        return _UNIT, "its graph normalizes its input, from 0 to 1"
    return _RAW, "its graph normalizes its input"


Step = tuple[str, str, NDArray[Any] | None]


def _arithmetic(graph: Any) -> Iterator[Step]:
    """("shift" or "factor", operator, constant) of the graph's first operations on the input."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = _constant(node)
    tensor = next(i.name for i in graph.input if i.name not in constants)
    kinds = {"Sub": "shift", "Add": "shift", "Mul": "factor", "Div": "factor"}
    while True:
        users = [node for node in graph.node if tensor in node.input]
        if len(users) != 1:
            return
        node = users[0]
        if node.op_type in kinds and node.input[0] == tensor:
            yield kinds[node.op_type], node.op_type, _value(constants.get(node.input[1]))
        elif node.op_type not in ("Identity", "Cast", "Transpose"):
            return
        tensor = node.output[0]


def _constant(node: Any) -> Any:
    """The tensor of a Constant node, which may also store plain numbers."""
    import onnx

    for attribute in node.attribute:
        if attribute.name == "value":
            return attribute.t
        if attribute.name in ("value_float", "value_floats", "value_int", "value_ints"):
            numbers = onnx.helper.get_attribute_value(attribute)
            return onnx.numpy_helper.from_array(np.atleast_1d(np.asarray(numbers, np.float64)))
    return None


def _value(tensor: Any) -> NDArray[Any] | None:
    """A constant of one number or one per channel; None if it is computed or stored externally."""
    import onnx

    if tensor is None or tensor.data_location == onnx.TensorProto.EXTERNAL:
        return None
    value = onnx.numpy_helper.to_array(tensor).astype(np.float64)
    return value.reshape(-1) if value.size in (1, 3) else None


def _reach(steps: list[Step], white: float) -> float:
    """The largest absolute value that the steps give for pixels between 0 and `white`."""
    operators: dict[str, Callable[..., Any]] = {
        "Sub": np.subtract, "Add": np.add, "Mul": np.multiply, "Div": np.divide,
    }  # fmt: skip
    ends = np.array([[0.0] * 3, [white] * 3])
    for _, operator, value in steps:
        with np.errstate(all="ignore"):
            ends = operators[operator](ends, value)
    return float(np.abs(ends).max())
