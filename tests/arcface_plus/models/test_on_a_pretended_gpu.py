"""Everything of a training step on a GPU that is not there: it never waits, devices and dtypes fit.

The values are those of ``tests/gpu``, which needs a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
import torch.distributed as dist
from head_checks import loss_of_one_shard
from pretended_gpu import Imprecise, PretendedGpu, Waited, grad, pretended_gpu
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException
from torch.testing._internal.distributed.fake_pg import FakeStore

from arcface_plus.models.auxiliary import AuxiliaryTerm, CentreLoss
from arcface_plus.models.backbones import BACKBONES
from arcface_plus.models.class_sampling import ClassSampling
from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import HEADS, ArcFace
from arcface_plus.models.recognizer import Recognizer
from arcface_plus.models.regularization import Regularization, TermPlan
from arcface_plus.models.regularizers import (
    MHE,
    MMA,
    KoLeo,
    MaximalCosine,
    Moment,
    Orthogonal,
    Orthonormal,
    nearest_angles,
)
from arcface_plus.models.shards import Shards

CLASSES, WIDTH, BATCH = 100, 64, 8
HALVES = [torch.bfloat16, torch.float16]


@pytest.fixture(params=[True, False], ids=["triton", "tiles"])
def searching(request: pytest.FixtureRequest) -> Iterator[PretendedGpu]:
    """A GPU with and without the kernel of the neighbour search."""
    with pretended_gpu(triton=request.param) as gpu:
        yield gpu


@pytest.fixture
def gpu() -> Iterator[PretendedGpu]:
    with pretended_gpu(triton=False) as gpu:
        yield gpu


@pytest.fixture
def group(request: pytest.FixtureRequest) -> Iterator[int]:
    """Exchanges with that many processes, which are not there either."""
    dist.init_process_group("fake", rank=0, world_size=request.param, store=FakeStore())
    yield request.param
    dist.destroy_process_group()


def rows(count: int, width: int = WIDTH) -> Tensor:
    return torch.randn(count, width, device="cuda", requires_grad=True)


def labels() -> Tensor:
    return torch.zeros(BATCH, dtype=torch.int64, device="cuda")


def autocast(dtype: torch.dtype = torch.bfloat16) -> torch.autocast:
    return torch.autocast("cuda", dtype)


def on_gpu(value: Tensor, dtype: torch.dtype, shape: tuple[int, ...] = ()) -> bool:
    return (value.device.type, value.dtype, value.shape) == ("cuda", dtype, shape)


@pytest.mark.parametrize(
    ("work", "error"),
    [
        (lambda x: x.sum().item(), Waited),
        (lambda x: bool((x > 0).any()), Waited),
        (lambda x: (x > 0).nonzero(), Waited),
        (lambda x: x[x > 0], Waited),
        (lambda x: x.cpu(), Waited),
        (lambda x: x.copy_(torch.ones(9)), Waited),
        (lambda x: torch.tensor([1.0, 2.0], device="cuda"), Waited),
        (lambda x: x + torch.ones(9), RuntimeError),
        (lambda x: x.masked_fill(torch.zeros(9, dtype=torch.bool), 0.0), RuntimeError),
    ],
)
def test_the_pretended_gpu_notices(gpu, work, error):
    x = torch.randn(9, device="cuda")
    with gpu.at_work(), pytest.raises(error):
        work(x)


def test_the_pretended_gpu_notices_products_in_half_precision(gpu):
    x = rows(9, 4)
    with (
        gpu.at_work(precise=True),
        autocast(),
        pytest.raises(Imprecise),
    ):
        nn.functional.linear(x, x)


def test_the_pretended_gpu_has_autocast_and_gradients(gpu):
    x = rows(9, 4)
    with gpu.at_work(), autocast():
        product = nn.functional.linear(x, x)
    assert product.dtype == torch.bfloat16
    (found,) = grad(product.float().sum(), [x])
    assert on_gpu(found, torch.float32, (9, 4))


def test_without_the_mode_values_are_refused_too(gpu):
    with pytest.raises(DataDependentOutputException):
        torch.ones(1, device="cuda").item()
    with pytest.raises(DynamicOutputShapeException):
        torch.ones(1, device="cuda").nonzero()


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("tiny", torch.float16),
        ("r18", torch.bfloat16),
        ("mobilefacenet", torch.float16),
        ("sphereface20", torch.bfloat16),
    ],
)
def test_backbones(gpu, name, dtype):
    network = gpu.moved(BACKBONES[name](embedding_dim=WIDTH))
    images = torch.rand(BATCH, 3, 112, 112, device="cuda")
    with gpu.at_work():
        with autocast(dtype):
            embeddings = network(images.contiguous(memory_format=torch.channels_last))
        grad(embeddings.float().sum(), list(network.parameters()))
    assert on_gpu(embeddings, torch.float32, (BATCH, WIDTH))


@pytest.mark.parametrize("dtype", HALVES)
@pytest.mark.parametrize("name", list(HEADS))
def test_heads(gpu, name, dtype):
    classifier = gpu.moved(Classifier(WIDTH, CLASSES, HEADS[name]()))
    embeddings = rows(BATCH)
    with gpu.at_work(precise=True):
        for closing in (False, True):
            with autocast(dtype):
                loss, accuracy = classifier(embeddings.to(dtype), labels(), 3, closing)
            grad(loss, [embeddings, *classifier.parameters()])
    assert on_gpu(loss, torch.float32)
    assert on_gpu(accuracy, torch.float32)


@pytest.mark.parametrize(
    ("group", "dtype"), [(1, torch.float16), (2, torch.bfloat16)], indirect=["group"]
)
@pytest.mark.parametrize("name", list(HEADS))
def test_heads_over_processes(gpu, group, name, dtype):
    shards = Shards(CLASSES, 0, group)
    classifier = gpu.moved(Classifier(WIDTH, CLASSES, HEADS[name](), shards))
    embeddings, sizes = rows(BATCH), [BATCH] * group
    with gpu.at_work(precise=True):
        with autocast(dtype):
            if group == 1:
                loss, accuracy = loss_of_one_shard(classifier, embeddings.to(dtype), labels(), 3)
            else:
                loss, accuracy = classifier(embeddings.to(dtype), labels(), 3, True, sizes)
        grad(loss, [embeddings, *classifier.parameters()])
    assert on_gpu(loss, torch.float32)
    assert on_gpu(accuracy, torch.float32)


def test_sampled_classes_wait_as_documented(gpu):
    sampling = ClassSampling(0.5, seed=0)
    classifier = gpu.moved(Classifier(WIDTH, CLASSES, ArcFace(), sampling=sampling))
    embeddings = rows(BATCH)
    with gpu.at_work(may_wait=True, precise=True):
        grad(classifier(embeddings, labels()).loss, [embeddings, classifier.weight])
    assert gpu.waits == ["copy from cpu to cuda", "nonzero"]


def test_centre_loss(gpu):
    term = gpu.moved(AuxiliaryTerm(CentreLoss(), 0.1, CLASSES, WIDTH))
    embeddings = rows(BATCH)
    with gpu.at_work(precise=True):
        for closing in (False, True):
            with autocast():
                loss = term(embeddings, labels(), closing)
            grad(loss, [embeddings])


@pytest.mark.parametrize(
    ("kind", "mode", "dtype"),
    [
        *((MMA, mode, torch.float32) for mode in ("exact", "cached", "rolling")),
        (MMA, "exact", torch.bfloat16),
        (MMA, "exact", torch.float64),
        (KoLeo, "exact", torch.float32),
        (MaximalCosine, "exact", torch.float32),
    ],
)
def test_losses_of_nearest_rows(searching, kind, mode, dtype):
    """Cached reads the drift of four calls before, which has arrived by then."""
    regularizer = kind(mode, ignore_below=1.0)
    weight = torch.randn(5000, WIDTH, device="cuda", dtype=dtype, requires_grad=True)
    with searching.at_work():
        for _ in range(7):
            with autocast():
                loss = regularizer(weight)
            grad(loss, [weight])
        found = regularizer.last
        angles = [found.smallest(), found.mean(), found.quantile(0.01)]
    precise = dtype if dtype == torch.float64 else torch.float32
    assert all(on_gpu(value, precise) for value in (loss, *angles))


def test_the_kernel_is_launched_where_there_is_one(searching, request):
    MMA("exact")(rows(5000))
    assert searching.launches == (1 if "triton" in request.node.name else 0)


@pytest.mark.parametrize(
    "regularizer", [Orthogonal(), Orthonormal(), Orthonormal(squared=True)], ids=repr
)
@pytest.mark.parametrize("count", [32, 128])
def test_orthogonality(gpu, regularizer, count):
    weight = rows(count)
    with gpu.at_work(precise=True):
        with autocast():
            loss = regularizer(weight)
        grad(loss, [weight])
    assert on_gpu(loss, torch.float32)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"power": 0.0},
        {"power": 1.0, "half_space": True},
        {"distance": "angular"},
        {"subset": 0.5},
        {"pairs": "batch"},
        {"row_scales": (0.5,) * CLASSES},
    ],
    ids=str,
)
def test_mhe_waits_as_documented(gpu, settings):
    """For the numbers of rows and of close pairs, of which the answers here are all and two."""
    regularizer, weight = MHE(**settings), rows(CLASSES)
    with gpu.at_work(may_wait=True, precise=True):
        with autocast():
            loss = regularizer(weight, moment=Moment(0, 0, labels()))
        grad(loss, [weight])
    assert on_gpu(loss, torch.float32)
    assert {"nonzero", "item"} <= set(gpu.waits)


@pytest.mark.parametrize("count", [2, 700, 5000])
def test_class_angles(searching, count):
    weight = torch.randn(count, WIDTH, device="cuda")
    with searching.at_work(), autocast():
        found = nearest_angles(weight)
        values = [found.smallest(), found.mean(), found.quantile(0.01)]
    assert all(on_gpu(value, torch.float32) for value in values)


def plans() -> list[TermPlan]:
    return [
        TermPlan("mma", 0.03, MMA, "all"),
        TermPlan("orthogonal", 1e-4, Orthogonal, "hidden", "mean"),
    ]


def test_recognizer_with_terms_on_all_layers_and_their_influence(searching):
    backbone = BACKBONES["tiny"](embedding_dim=WIDTH)
    classifier = Classifier(WIDTH, CLASSES, HEADS["adaface"]())
    regularization = Regularization(plans(), backbone, classifier)
    auxiliary = AuxiliaryTerm(CentreLoss(), 0.1, CLASSES, WIDTH)
    recognizer = Recognizer(backbone, classifier, regularization, auxiliary=auxiliary)
    searching.moved(recognizer).train()
    images = torch.rand(BATCH, 3, 112, 112, device="cuda")
    regularization.measuring = True
    with searching.at_work():
        with autocast():
            losses = recognizer(images, labels(), 3, Moment(0, 3, labels()))
        losses.total.backward()
        angles = recognizer.class_angles()
        ratios = [found.ratio for found in regularization.influences().values()]
        smallest = [found.smallest() for found in regularization.layer_angles().values()]
    assert all(on_gpu(value, torch.float32) for value in losses)
    assert all(on_gpu(value, torch.float64) for value in ratios)
    assert len(smallest) > 2
    assert all(on_gpu(value, torch.float32) for value in (angles.smallest(), *smallest))
