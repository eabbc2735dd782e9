"""torch.compile where it works, one line and eager mode where it does not; memory formats."""

from __future__ import annotations

import copy
import shutil

import pytest
import torch
import torch._inductor.config
from torch import Tensor, nn

from arcface_plus.config.tree import load, shipped
from arcface_plus.models.backbones import MobileFaceNet
from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import ArcFace
from arcface_plus.run_directory.sinks.jsonl import METRICS_FILE
from arcface_plus.runtime import autocast
from arcface_plus.training import assembly
from arcface_plus.training.compilation import compile_in_place, uncompiled
from arcface_plus.training.run import execute
from data_prep.errors import UserError

CPU = torch.device("cpu")


class Small(nn.Module):
    """A small network with all that matters: convolution, statistics, PReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 8, 5, stride=8), nn.BatchNorm2d(8), nn.PReLU(8), nn.Flatten()
        )
        self.fc = nn.Linear(8 * 14 * 14, 16)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.layers(x))


@pytest.fixture
def no_compiler():
    """As on a machine without g++; caches of earlier compilations must not help."""
    torch._dynamo.reset()
    broken = {"cpp.cxx": ("no-such-compiler",), "force_disable_caches": True}
    with torch._inductor.config.patch(broken):
        yield
    torch._dynamo.reset()


def images() -> Tensor:
    return torch.randn(6, 3, 112, 112, generator=torch.Generator().manual_seed(0))


def small() -> nn.Module:
    torch.manual_seed(0)
    return Small()


def losses(backbone: nn.Module, batch: Tensor, steps: int = 3) -> list[float]:
    """Of a few steps of training with a margin head."""
    torch.manual_seed(1)
    classifier = Classifier(16, 12, ArcFace(scale=16.0)).to(batch.dtype)
    trained = [*backbone.parameters(), *classifier.parameters()]
    optimizer = torch.optim.SGD([p for p in trained if p.requires_grad], lr=0.01, momentum=0.9)
    found = []
    for _ in range(steps):
        loss = classifier(backbone(batch), torch.arange(6)).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs g++ on a CPU")
@pytest.mark.slow
def test_compiled_or_not_the_losses_agree() -> None:
    plain, compiled = small(), small()
    before = copy.deepcopy(compiled.state_dict())
    assert compile_in_place(compiled, images(), autocast(CPU, "fp32")) is None
    assert compiled._compiled_call_impl is not None
    after = compiled.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], before[name]) for name in before)  # the trial left no trace
    assert all(p.grad is None for p in compiled.parameters())
    assert losses(compiled, images()) == pytest.approx(losses(plain, images()), rel=1e-4)


def test_without_a_compiler_the_network_runs_as_before(no_compiler) -> None:
    model = small()
    problem = compile_in_place(model, images(), autocast(CPU, "fp32"))
    assert problem is not None
    assert "No working C++ compiler" in problem
    assert "\n" not in problem
    assert losses(model, images()) == losses(small(), images())


def test_verification_runs_uncompiled(monkeypatch) -> None:
    model = small()
    monkeypatch.setattr(model, "_compiled_call_impl", lambda x: "compiled", raising=False)
    with uncompiled(model):
        assert isinstance(model(images()), Tensor)
    assert model(images()) == "compiled"


def test_running_out_of_memory_is_not_caught(monkeypatch) -> None:
    def out(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    model = small()
    monkeypatch.setattr(nn.Module, "compile", lambda module: setattr(module, "forward", out))
    with pytest.raises(torch.OutOfMemoryError):
        compile_in_place(model, images(), autocast(CPU, "fp32"))


def configured(settings: list[str], *more: str):
    little = "model.backbone={name: tiny, width: 0.25}"
    return load(shipped("demo_arcface.yaml"), [*settings, little, *more])


def test_a_run_reports_failed_compilation_in_one_line_and_trains(
    tiny_settings, tmp_path, no_compiler, monkeypatch, capfd
) -> None:
    monkeypatch.setattr(assembly, "_switch", lambda setting, default: True)  # auto, as on a GPU
    execute(configured(tiny_settings, "runtime.compile=auto"), tmp_path / "run")
    said = [line for line in capfd.readouterr().err.splitlines() if "runtime.compile" in line]
    assert len(said) == 1
    assert "not possible here (InvalidCxxCompiler: No working C++ compiler" in said[0]
    assert len((tmp_path / "run" / METRICS_FILE).read_text().splitlines()) == 2


def test_a_run_trains_the_compiled_network_and_verifies_the_plain_one(
    tiny_settings, tmp_path, monkeypatch
):
    """Compiled for the sizes of the micro-batches."""
    shapes, modes = [], []

    def compile_in_place(backbone, images, context):
        shapes.append((*images.shape, images.is_contiguous(memory_format=torch.channels_last)))

        def compiled(*args):
            modes.append(backbone.training)
            return backbone._call_impl(*args)

        monkeypatch.setattr(backbone, "_compiled_call_impl", compiled, raising=False)

    monkeypatch.setattr(assembly, "compile_in_place", compile_in_place)
    settings = [*tiny_settings, "runtime.compile=true", "data.micro_batch_size=4"]
    execute(configured(settings), tmp_path / "run")
    assert shapes == [(4, 3, 112, 112, True)]
    assert modes == [True] * 4  # two steps of two parts, and no verification
    assert (tmp_path / "run/eval/step_00000002.json").is_file()


def test_compilation_that_was_requested_but_fails_is_an_error(tiny_settings, tmp_path, no_compiler):
    with pytest.raises(UserError, match=r"compilation fails here .*No working C.*; set it to"):
        execute(configured(tiny_settings, "runtime.compile=true"), tmp_path / "run")


def test_compilation_and_activation_checkpointing_cannot_be_combined(tiny_settings, tmp_path):
    both = ("runtime.compile=true", "runtime.activation_checkpointing=true")
    with pytest.raises(UserError, match="cannot be combined; set one of them to false"):
        execute(configured(tiny_settings, *both), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_channels_last_or_not_the_losses_agree() -> None:
    """To 1e-5 at first; later steps in float64, since batch norm of six images amplifies noise."""
    found = {}
    for dtype in (torch.float32, torch.float64):
        for layout in (torch.contiguous_format, torch.channels_last):
            torch.manual_seed(0)
            model = MobileFaceNet(16, width=0.125).to(dtype).to(memory_format=layout)
            found[dtype, layout] = losses(
                model, images().to(dtype).contiguous(memory_format=layout)
            )
    (first, *_), (other, *_), exact, other_exact = found.values()
    assert first == pytest.approx(other, rel=1e-5)
    assert exact == pytest.approx(other_exact, rel=1e-9)
    assert exact[0] > exact[-1]
