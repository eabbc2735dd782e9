"""What holds for every head by name: training, precision, parts, ends, state, parts of classes."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from head_checks import batch, classifier_of
from processes import in_processes
from torch import Tensor, nn

from arcface_plus.data.loader import Batch
from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import HEADS, Classes, Head, Samples
from arcface_plus.models.heads.head import HIDDEN, no_facts
from arcface_plus.models.heads.margin_head import fits_one_buffer
from arcface_plus.models.recognizer import Recognizer
from arcface_plus.models.regularizers import MMA
from arcface_plus.runtime import Processes
from arcface_plus.training.optimizers import SGD
from arcface_plus.training.schedules import Step
from arcface_plus.training.update import Updater, UpdateSettings

every_head = pytest.mark.parametrize("name", list(HEADS))
IN_ONE_BUFFER = {"arcface", "softmax", "cosface", "combined_margin", "adaface", "magface"}


@every_head
def test_heads_of_one_buffer(name: str) -> None:
    assert fits_one_buffer(HEADS[name]()) == (name in IN_ONE_BUFFER)


def updater(name: str, precision: str = "fp32", micro: int | None = None) -> Updater:
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(48, 8))
    nn.init.normal_(backbone[1].weight)
    recognizer = Recognizer(backbone, Classifier(8, 5, HEADS[name]()), MMA(), 0.1)
    optimizer = SGD(list(recognizer.parameters()), momentum=0.9, weight_decay=0.0)
    settings = UpdateSettings(precision, 0, micro_batch_size=micro)
    schedule = Step(1e-3, 100, milestones=())
    return Updater(recognizer, optimizer, schedule, settings, torch.device("cpu"), Processes())


def images() -> Batch:
    pixels = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    return Batch(pixels, torch.arange(6) % 5, np.arange(6), 0.0)


@every_head
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_two_steps_change_all_weights_and_lower_the_loss(name: str, precision: str) -> None:
    made = updater(name, precision)
    before = [p.detach().clone() for p in made.recognizer.parameters()]
    losses = []
    for step in range(2):
        update = made.make(images(), step, measure=True)
        assert update.losses.total.dtype == torch.float32
        assert update.losses.total.isfinite()
        assert update.angles is not None
        assert len(update.angles.angle) == 5
        losses.append(update.losses.margin.item())
    after = list(made.recognizer.parameters())
    assert all((a != b).any() for a, b in zip(before, after, strict=True))
    assert all(p.isfinite().all() for p in after)
    assert losses[1] < losses[0]


@every_head
def test_a_head_ends_in_the_same_state_in_parts(name: str) -> None:
    """Running statistics are those of whole batches; all else is summed up."""
    whole, parts = updater(name), updater(name, micro=2)
    one = whole.make(images(), 3, measure=False).losses.margin
    two = parts.make(images(), 3, measure=False).losses.margin
    for a, b in zip(
        whole.recognizer.classifier.head.buffers(),
        parts.recognizer.classifier.head.buffers(),
        strict=True,
    ):
        torch.testing.assert_close(a, b)
    if not whole.recognizer.classifier.head.observes:
        torch.testing.assert_close(one, two)
        for a, b in zip(whole.recognizer.parameters(), parts.recognizer.parameters(), strict=True):
            torch.testing.assert_close(a, b)


@every_head
def test_a_resumed_run_has_the_same_bits(name: str) -> None:
    whole, file = updater(name), io.BytesIO()
    whole.make(images(), 0, measure=False)
    torch.save((whole.recognizer.state_dict(), whole.state()), file)
    file.seek(0)
    weights, states = torch.load(file, weights_only=True)
    resumed = updater(name)
    resumed.recognizer.load_state_dict(weights)
    resumed.restore(**states)
    for step in (1, 2):
        one = whole.make(images(), step, measure=False).losses
        two = resumed.make(images(), step, measure=False).losses
        assert torch.equal(one.total, two.total)
    first, second = whole.recognizer.state_dict(), resumed.recognizer.state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first if "extra" not in key)


@every_head
def test_autocast_and_half_precision_do_not_reach_the_head(name: str) -> None:
    classifier = classifier_of(HEADS[name]().eval(), torch.float32)
    x, labels = batch(torch.float32)
    x = x.detach().bfloat16()
    plain = classifier(x, labels).loss
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = classifier(x, labels).loss
    assert under.dtype == torch.float32
    assert torch.equal(plain, under)


@every_head
def test_finite_for_embeddings_on_and_opposite_class_weights(name: str) -> None:
    """Cosines of ±1, and beyond by rounding; also an embedding of norm 0."""
    classifier = classifier_of(HEADS[name](), torch.float32)
    if classifier.head.sub_centres > 1:
        pytest.skip("tested with its one row per class as arcface")
    x = torch.cat([classifier.weight, -classifier.weight, torch.zeros(1, 6)]).detach() * 30
    labels = torch.arange(19) % 9
    loss, accuracy = classifier(x.requires_grad_(), labels)
    grads = torch.autograd.grad(loss, [x, *classifier.parameters()])
    assert loss.isfinite()
    assert all(grad.isfinite().all() for grad in grads)
    assert 0 < accuracy < 1


@every_head
def test_any_columns_can_be_computed_alone(name: str) -> None:
    """As a process that holds some of the classes does: the same loss from two parts."""
    head: Head = HEADS[name]().eval()
    classifier = classifier_of(head)
    x, labels = batch()
    loss = classifier(x, labels, 7).loss
    centres = F.normalize(classifier.weight, dim=-1).reshape(9, -1, 6)
    cosine = torch.einsum("nd,ckd->nck", F.normalize(x), centres).amax(dim=2)
    one, zero = no_facts(cosine, 9)
    norm = classifier.weight.norm(dim=-1) if head.uses_class_norms else one
    bias = zero if classifier.bias is None else classifier.bias
    facts, index = Classes(norm, bias), labels[:, None]
    norms = x.norm(dim=1) if head.uses_norms else torch.ones(len(x), dtype=x.dtype)
    samples = Samples(cosine.gather(1, index)[:, 0], norms, facts.of(labels), 7)
    pools = []
    for part in (slice(0, 4), slice(4, 9)):
        logits = head.others(cosine[:, part], samples, Classes(facts.norm[part], facts.bias[part]))
        hidden = logits.masked_fill(torch.arange(9)[part] == index, HIDDEN)
        pools.append(head.pool(hidden))
    losses = head.loss(head.labelled(samples), head.merge(torch.stack(pools, dim=1)))
    penalty = head.penalty(samples)
    whole = losses.mean() if penalty is None else (losses + penalty).mean()
    torch.testing.assert_close(whole, loss)


def observed(rank: int) -> dict[str, Tensor]:
    """One of two processes: the statistics after a batch in two parts."""
    found = {}
    for name in ("adaface", "curricularface"):
        classifier = classifier_of(HEADS[name](), torch.float32)
        x, labels = batch(torch.float32)
        for part, closing in ((slice(0, 10), False), (slice(10, 20), True)):
            mine = slice(part.start + 20 * rank, part.stop + 20 * rank)
            classifier(x[mine], labels[mine], 0, closing, sizes=(10, 10))
        found[name] = classifier.head.running.value
    return found


def test_statistics_of_several_processes_are_those_of_the_whole_batch() -> None:
    one, two = in_processes(2, observed)
    for name, value in one.items():
        assert torch.equal(value, two[name])
        classifier = classifier_of(HEADS[name](), torch.float32)
        classifier(*batch(torch.float32))
        torch.testing.assert_close(value, classifier.head.running.value)


@every_head
def test_its_parts_do_not_depend_on_a_gpu_waiting(name: str) -> None:
    """On the meta device any look at a value is an error."""
    with torch.device("meta"):
        classifier = Classifier(6, 9, HEADS[name]())
        x, labels = torch.randn(4, 6, requires_grad=True), torch.zeros(4, dtype=torch.int64)
        classifier(x, labels).loss.backward()
    assert x.grad is not None


@pytest.mark.parametrize("micro", [None, 2])
def test_the_number_of_the_update_reaches_the_head(micro: int | None) -> None:
    """SphereFace's annealing gives the same weights another loss at another step."""
    for step in (0, 40, 5000):
        made = updater("sphereface", micro=micro)
        classifier, of = made.recognizer.classifier, images()
        expected = classifier(made.recognizer.backbone(of.images), of.labels, step).loss
        margin = made.make(of, step, measure=False).losses.margin
        torch.testing.assert_close(margin, expected.detach())
