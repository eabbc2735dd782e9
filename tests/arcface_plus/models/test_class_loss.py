"""The loss of a process that holds all classes it compares with."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from arcface_plus.models.class_loss import Held, Progress, class_loss, nearest_centres
from arcface_plus.models.heads import ArcFace, CurricularFace
from arcface_plus.models.heads.head import no_facts


def held(classes: int) -> Held:
    generator = torch.Generator().manual_seed(0)
    centres = F.normalize(torch.randn(classes, 4, dtype=torch.float64, generator=generator))
    return Held(centres, no_facts(centres, classes), torch.tensor([0, 2, 2, 1]))


def test_norms_of_embeddings_do_not_matter_to_a_margin_on_the_angle() -> None:
    classes, head = held(5), ArcFace(8.0, 0.3)
    x = torch.randn(4, 4, dtype=torch.float64)
    loss, accuracy = class_loss(head, 3.0 * x, classes, Progress())
    cosine = F.normalize(x) @ classes.centres.T
    torch.testing.assert_close(loss, F.cross_entropy(head(cosine, classes.place), classes.place))
    assert accuracy.item() == (cosine.argmax(dim=1) == classes.place).double().mean().item()


def test_a_head_observes_only_in_training() -> None:
    head, x = CurricularFace(), torch.randn(4, 4, dtype=torch.float64)
    before = head.running.value.clone()
    with torch.no_grad():
        class_loss(head, x, held(5), Progress())
    class_loss(head.eval(), x, held(5), Progress())
    assert torch.equal(head.running.value, before)
    class_loss(head.train(), x, held(5), Progress())
    assert not torch.equal(head.running.value, before)


def test_the_nearest_of_several_centres_counts() -> None:
    rows = F.normalize(torch.randn(3, 4))
    centres = F.normalize(torch.randn(5, 2, 4), dim=-1)
    expected = torch.einsum("nd,ckd->nck", rows, centres).amax(dim=2)
    torch.testing.assert_close(nearest_centres(rows, centres), expected)
    assert nearest_centres(rows, centres[:0]).shape == (3, 0)
