"""A GPU that is not there: tensors have shape, dtype and the device "cuda", but no values.

Code that needs a value waits for the GPU to have it: here that is an error. So are operations on
tensors of different devices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from arcface_plus.models.nearest import triton_search

aten = torch.ops.aten


class Waited(AssertionError):
    """The host waited for the GPU."""


class Imprecise(AssertionError):
    """Autocast has changed the precision of a product that must keep it."""


_PRODUCTS = (aten.mm.default, aten.addmm.default, aten.bmm.default, aten.matmul.default)
_FUSED = (aten._fused_sgd_.default, aten._fused_adamw_.default)
"""Optimizers' kernels, which torch cannot pretend."""


def _check_fused(args: Any) -> None:
    """Weights, gradients and states have the same devices, shapes and dtypes."""
    for lists in zip(*(given for given in args if isinstance(given, list) and given), strict=True):
        weight, *others = lists
        for other in others:
            assert (other.device, other.dtype) == (weight.device, weight.dtype)
            assert other.shape in (weight.shape, ())  # a number of steps is one number


class _Work(TorchDispatchMode):
    """Refuses, or ``answered`` notes in ``waits``, all operations for which the host waits.

    Answers: a value is 1, every element of a vector is true, and two of each larger tensor.
    """

    def __init__(self, waits: list[str], answered: bool, precise: bool) -> None:
        super().__init__()
        self._waits, self._answered, self._precise = waits, answered, precise

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is aten._local_scalar_dense.default:
            if args[0].is_cuda:
                self._wait("item")
            return 1.0 if args[0].is_floating_point() else 1
        if func is aten.nonzero.default and args[0].is_cuda:
            self._wait("nonzero")
            return _found(args[0])
        if func is aten.index.Tensor and any(_is_mask(index) for index in args[1]):
            self._wait("boolean index")
            found = [_found(i).squeeze(1) if _is_mask(i) else i for i in args[1]]
            return func(args[0], found)
        if func in _FUSED:
            _check_fused(args)
            return None
        result = func(*args, **kwargs)
        if self._precise and func in _PRODUCTS and result.dtype in (torch.float16, torch.bfloat16):
            raise Imprecise(f"{func} in {result.dtype}")
        if func is aten._to_copy.default and not kwargs.get("non_blocking", False):
            self._copied(args[0], result)
        if func is aten.copy_.default and not (len(args) > 2 and args[2]):
            self._copied(args[1], result)
        return result

    def _copied(self, source: Tensor, result: Tensor) -> None:
        if source.device.type != result.device.type:
            self._wait(f"copy from {source.device.type} to {result.device.type}")

    def _wait(self, what: str) -> None:
        if not self._answered:
            raise Waited(what)
        self._waits.append(what)


def _is_mask(index: Tensor | None) -> bool:
    return index is not None and index.is_cuda and index.dtype == torch.bool


def _found(condition: Tensor) -> Tensor:
    count = len(condition) if condition.ndim == 1 else 2
    return condition.new_empty((count, condition.ndim), dtype=torch.int64)


class _Event:
    """``torch.cuda.Event``. Those with four later ones count as having happened."""

    _recorded = 0

    def __init__(self, enable_timing: bool = False) -> None:
        self._number: int | None = None

    def record(self) -> None:
        _Event._recorded += 1
        self._number = _Event._recorded

    def synchronize(self) -> None:
        assert self._number is not None, "not recorded"
        if _Event._recorded - self._number < 4:
            raise Waited("event")

    def elapsed_time(self, other: _Event) -> float:
        """In milliseconds."""
        assert self._number is not None
        assert other._number is not None
        return 5.0 * (other._number - self._number)


class _Kernel:
    """The launch of the Triton search: its arguments are checked, the table stays as it is."""

    def __init__(self) -> None:
        self.launches = 0

    def __getitem__(self, grid: tuple[int, ...]) -> Any:
        def launch(unit: Tensor, penalty: Tensor, table: Tensor, *numbers: int, **_: int) -> None:
            assert all(size > 0 for size in grid)
            assert all(isinstance(number, int) for number in numbers)
            assert (unit.dtype, penalty.dtype, table.dtype) == (
                torch.float16, torch.float32, torch.int64,
            )  # fmt: skip
            assert {tensor.device.type for tensor in (unit, penalty, table)} == {"cuda"}
            self.launches += 1

        return launch


class PretendedGpu:
    """``launches`` of the Triton search, and ``waits`` that were allowed, so far."""

    device = torch.device("cuda", 0)

    def __init__(self, kernel: _Kernel) -> None:
        self._kernel = kernel
        self.waits: list[str] = []

    @property
    def launches(self) -> int:
        return self._kernel.launches

    def at_work(
        self, may_wait: bool = False, precise: bool = False
    ) -> AbstractContextManager[object]:
        """Within it the host must not wait, for copies neither; with ``may_wait`` that is noted.

        ``precise``: matrix products in half precision are an error, too.
        """
        return _Work(self.waits, may_wait, precise)

    def moved(self, module: nn.Module) -> nn.Module:
        """``module`` on the GPU (``module.to`` fails for tensors without values)."""
        for part in module.modules():
            for name, value in part._parameters.items():
                if value is not None:
                    part._parameters[name] = nn.Parameter(value.detach().to(self.device))
            for name, value in part._buffers.items():
                if value is not None:
                    part._buffers[name] = value.to(self.device)
        return module


@contextmanager
def pretended_gpu(triton: bool) -> Iterator[PretendedGpu]:
    """Within it, new tensors have no values, and those on "cuda" are on a GPU.

    ``triton``: whether the GPU is one on which the neighbour search uses its kernel. The kernel
    does not run (see ``test_triton_search.py``), everything around it does.
    """
    kernel = _Kernel()

    def available(tensor: Tensor) -> bool:
        return triton and tensor.is_cuda and tensor.dtype == torch.float16

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
        patch.setattr(torch.cuda, "is_bf16_supported", lambda *_: True)
        patch.setattr(torch.cuda, "Event", _Event)
        patch.setattr(torch.cuda, "device_of", lambda _: nullcontext())
        patch.setattr(torch.autograd, "grad", grad)
        patch.setattr(Tensor, "backward", backward)
        patch.setattr(triton_search, "available", available)
        patch.setattr(triton_search, "_search_kernel", kernel)
        patch.setattr(triton_search, "_tiling", lambda _: triton_search.Tiling())
        with FakeTensorMode():
            yield PretendedGpu(kernel)


def grad(
    output: Tensor, inputs: Sequence[Tensor], retain_graph: bool = False, allow_unused: bool = False
) -> list[Tensor | None]:
    """``torch.autograd.grad`` of a scalar, without the C++ engine, which needs a real GPU.

    Checks that every gradient has the shape, dtype and device of what it is the gradient of.
    """
    leaves = {id(leaf): value for leaf, value in _gradients(output)}
    found = [leaves.get(id(leaf)) for leaf in inputs]
    for leaf, value in zip(inputs, found, strict=True):
        assert allow_unused or value is not None, f"no gradient of {tuple(leaf.shape)}"
    return found


def backward(output: Tensor) -> None:
    """``output.backward()``, likewise."""
    for leaf, value in _gradients(output):
        leaf.grad = value if leaf.grad is None else leaf.grad + value


def _gradients(output: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """All leaves with their gradients."""
    assert output.grad_fn is not None
    assert output.shape == ()
    order = _sorted(output.grad_fn)
    arrived: dict[Any, list[Tensor | None]] = {node: [None] * _outputs(node) for node in order}
    arrived[output.grad_fn][output.output_nr] = torch.ones_like(output)
    for node in order:
        if all(value is None for value in arrived[node]):
            continue
        if _is_leaf(node):
            leaf, value = node.variable, arrived[node][0]
            assert (value.shape, value.dtype, value.device) == (leaf.shape, leaf.dtype, leaf.device)
            yield leaf, value
            continue
        for (target, number), given in _passed_on(node, arrived[node]):
            about = target.variable if _is_leaf(target) else target._input_metadata[number]
            value = _fitting(given, about)
            before = arrived[target][number]
            arrived[target][number] = value if before is None else before + value


def _sorted(root: Any) -> list[Any]:
    """All nodes of the graph, each before those to which it passes gradients."""
    order: list[Any] = []
    seen = set()
    stack = [(root, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack += [(target, False) for target, _ in node.next_functions if target is not None]
    return order[::-1]


def _is_leaf(node: Any) -> bool:
    return hasattr(node, "variable")


def _outputs(node: Any) -> int:
    return 1 if _is_leaf(node) else max(1, len(node._input_metadata))


def _passed_on(node: Any, gradients: list[Tensor | None]) -> Iterator[tuple[Any, Tensor]]:
    """Where ``node`` passes which gradients."""
    whole = [
        torch.zeros(about.shape, dtype=about.dtype, device=about.device) if value is None else value
        for value, about in zip(gradients, node._input_metadata, strict=True)
    ]
    ours = isinstance(node, torch.autograd.function.BackwardCFunction)
    with torch.no_grad():
        passed = node.apply(*whole) if ours else node(*whole)
    passed = passed if isinstance(passed, tuple) else (passed,)
    edges = node.next_functions
    if ours:  # it has gradients for all arguments, but edges for tensors only
        passed = [v for v, needed in zip(passed, node.needs_input_grad, strict=True) if needed]
        edges = [edge for edge in edges if edge[0] is not None]
    for edge, value in zip(edges, passed, strict=True):
        if edge[0] is not None and value is not None:
            yield edge, value


def _fitting(value: Tensor, about: Any) -> Tensor:
    """As the engine does: summed where an operation has broadcast its input."""
    assert value.device == about.device
    return value.sum_to_size(about.shape).to(about.dtype)
