"""Several regularizers on several layers: values, gradients, states and what they do."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from layered import layered
from torch import Tensor, nn

from arcface_plus.models.recognizer import Recognizer
from arcface_plus.models.regularization import Regularization, TermPlan
from arcface_plus.models.regularizers import MHE, MMA, Moment, NoRegularizer, Orthogonal

IMAGES = torch.randn(6, 3, 112, 112, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(6)
MOMENT = Moment(3, 4, LABELS)


def recognizer(*plans: TermPlan) -> Recognizer:
    backbone, classifier = layered()
    return Recognizer(backbone, classifier, Regularization(plans, backbone, classifier))


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_values_and_gradients_are_those_of_the_terms() -> None:
    model = recognizer(
        TermPlan("mma", 0.5, MMA, "hidden"),
        TermPlan("orthogonal", 0.1, Orthogonal, "all", "mean"),
        TermPlan("mhe", 2.0, lambda: MHE(1.0, subset=0.5), ["unit.*"]),
        TermPlan("koleo", 0.0, MMA, "all"),
    )
    losses = model(IMAGES, LABELS, moment=MOMENT)
    losses.total.backward()
    found = gradients(model)
    plain = recognizer(TermPlan("none", 0.0, NoRegularizer))
    margin = plain(IMAGES, LABELS).total
    network = plain.backbone
    stem, unit, fc = network.stem.weight.flatten(1), network.unit[0].weight.flatten(1), network.fc
    mma = MMA()(stem) + MMA()(unit) + MMA()(fc.weight)
    all_layers = [stem, unit, fc.weight, plain.classifier.weight]
    orthogonal = sum(Orthogonal()(w) for w in all_layers) / 4
    mhe = MHE(1.0, subset=0.5)(unit, moment=MOMENT)
    values = {"mma": mma, "orthogonal": orthogonal, "mhe": mhe}
    torch.testing.assert_close(model.regularizer.values, {k: v.detach() for k, v in values.items()})
    weighted = 0.5 * mma + 0.1 * orthogonal + 2.0 * mhe
    torch.testing.assert_close(losses.regularizer, weighted.detach())
    torch.testing.assert_close(losses.total, margin + weighted)
    (margin + weighted).backward()
    torch.testing.assert_close(found, gradients(plain), rtol=1e-5, atol=1e-7)


def test_a_single_term_on_the_classifier_has_the_bits_of_the_formula() -> None:
    backbone, classifier = layered()
    model = Recognizer(backbone, classifier, MMA(), 0.03)
    losses = model(IMAGES, LABELS)
    losses.total.backward()
    found = gradients(model)
    model.zero_grad()
    margin = classifier(backbone(IMAGES), LABELS).loss
    value = MMA()(classifier.weight)
    (margin + 0.03 * value).backward()
    assert losses.regularizer.item() == value.item()
    assert losses.total.item() == (margin + 0.03 * value).item()
    assert all(torch.equal(found[name], other) for name, other in gradients(model).items())


@pytest.mark.parametrize(
    "plan", [TermPlan("mma", 0.0, MMA, "all"), TermPlan("x", 1, NoRegularizer)]
)
def test_terms_that_do_nothing_leave_the_graph_alone(plan: TermPlan) -> None:
    model = recognizer(plan)
    losses = model(IMAGES, LABELS)
    assert losses.total.grad_fn is not None
    assert torch.equal(losses.total, losses.margin)
    assert model.regularizer.values == {}
    assert not model.regularizer.acting
    model.regularizer.measuring = True
    losses.total.backward()
    assert model.regularizer.influences() == {}
    assert model.regularizer.report() == {}


def test_influences_are_the_norms_of_both_gradients_on_the_same_weights() -> None:
    model = recognizer(TermPlan("mma", 5.0, MMA, "hidden"), TermPlan("mma", 3.0, MMA, "all"))
    model.regularizer.measuring = True
    model(IMAGES, LABELS).total.backward()
    found = model.regularizer.influences()
    plain = recognizer(TermPlan("none", 0.0, NoRegularizer))
    plain(IMAGES, LABELS).total.backward()
    names = ["backbone.stem.weight", "backbone.unit.0.weight", "backbone.fc.weight"]
    data = gradients(plain)
    parameters = dict(plain.named_parameters())
    for label, weight, on in (
        ("mma", 5.0, names), ("mma_2", 3.0, [*names, "classifier.weight"])
    ):  # fmt: skip
        value = sum(MMA()(parameters[name].flatten(1)) for name in on)
        pulls = torch.autograd.grad(weight * value, [parameters[name] for name in on])  # type: ignore[operator]

        def norm(tensors: Any) -> float:
            return torch.cat([t.detach().flatten() for t in tensors]).double().norm().item()

        assert found[label].term.item() == pytest.approx(norm(pulls), rel=1e-5)
        expected = norm(data[name] for name in on)
        assert found[label].data.item() == pytest.approx(expected, rel=1e-4)
        assert found[label].weights.item() == pytest.approx(norm(parameters[name] for name in on))
    assert model.regularizer.influences() == {}  # measured once


def test_measuring_changes_no_bit() -> None:
    found = []
    for measuring in (False, True):
        model = recognizer(TermPlan("mma", 5.0, MMA, "all"), TermPlan("mhe", 1.0, MHE))
        model.regularizer.measuring = measuring
        model(IMAGES, LABELS).total.backward()
        found.append(gradients(model))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_each_layer_remembers_for_itself_under_stable_names() -> None:
    plan = TermPlan("mma", 1.0, lambda: MMA("cached", candidates=2), "all")
    model = recognizer(plan)
    model(IMAGES, LABELS)
    state = model.regularizer.state_dict()
    assert list(state) == [
        f"terms.0.layers.{layer}._extra_state" for layer in ("stem", "unit/0", "fc", "classifier")
    ]
    assert [entry["rows"] for entry in state.values()] == [6, 8, 5, 7]
    other = recognizer(plan)
    other.regularizer.load_state_dict(state)
    for name in ("table", "then"):
        one, two = (m.regularizer.state_dict() for m in (model, other))
        for layer in state:
            assert torch.equal(one[layer][name], two[layer][name])
    assert not any(name.startswith("regularizer.") for name, _ in model.named_parameters())


def test_the_state_of_versions_with_one_regularizer_loads() -> None:
    backbone, classifier = layered()
    single = MMA("cached", candidates=2)
    single(classifier.weight)
    former = single.state_dict()
    assert list(former) == ["_extra_state"]
    model = Recognizer(backbone, classifier, MMA("cached", candidates=2), 0.1)
    model.regularizer.load_state_dict(former)
    found = model.regularizer.state_dict()["terms.0.layers.classifier._extra_state"]
    assert torch.equal(found["table"], former["_extra_state"]["table"])


def test_angles_of_hidden_layers_found_already_or_searched_for() -> None:
    model = recognizer(TermPlan("mma", 1.0, MMA, ["unit.0"]), TermPlan("mhe", 1.0, MHE, "hidden"))
    model(IMAGES, LABELS)
    angles = model.regularizer.layer_angles()
    assert list(angles) == ["unit.0", "stem", "fc"]
    assert angles["unit.0"] is model.regularizer.terms[0].by_layer()[0][1].last
    assert [len(a.angle) for a in angles.values()] == [8, 6, 5]
    assert model.regularizer.class_angles() is None
    assert recognizer(TermPlan("mma", 1.0, MMA)).regularizer.layer_angles() == {}


def test_reports_name_term_and_layer() -> None:
    model = recognizer(
        TermPlan("mma", 1.0, lambda: MMA(ignore_below=179.0), "all"), TermPlan("mhe", 1.0, MHE)
    )
    model(IMAGES, LABELS)
    assert set(model.regularizer.report()) == {
        f"ignored_rows.mma{layer}" for layer in ("", ".stem", ".unit.0", ".fc")
    }
    alone = recognizer(TermPlan("mma", 1.0, lambda: MMA(ignore_below=179.0)))
    alone(IMAGES, LABELS)
    assert alone.regularizer.report() == {"ignored_rows": 7.0}


def test_a_line_says_which_layers() -> None:
    model = recognizer(
        TermPlan("mma", 1.0, MMA, "all"),
        TermPlan("mhe", 1.0, MHE),
        TermPlan("mma", 0.0, MMA, "all"),
    )
    assert model.regularizer.described() == [
        "mma acts on 2 convolutions, 1 fully connected layer, the classifier "
        "(stem, unit.0, fc, classifier); never on 1 (grouped), 1 (one row)"
    ]


def test_mistakes() -> None:
    for weight in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="must be finite and at least 0"):
            TermPlan("mma", weight, MMA)
    with pytest.raises(ValueError, match="reduction must be sum or mean, not 'max'"):
        TermPlan("mma", 1.0, MMA, reduction="max")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="mhe: pairs of a batch's classes need layers: classifier"):
        recognizer(TermPlan("mhe", 1.0, lambda: MHE(pairs="batch"), "all"))


def test_labels_reach_the_classifiers_term_as_a_whole_batch() -> None:
    model = recognizer(TermPlan("mhe", 1.0, lambda: MHE(pairs="batch")))
    assert model.regularizer.needs_labels
    model.losses(
        model.backbone(IMAGES[:2]), LABELS[:2], share=1 / 3, moment=MOMENT
    )  # the last part of a batch
    expected = MHE(pairs="batch")(model.classifier.weight, moment=MOMENT)
    assert model.regularizer.values["mhe"].item() == expected.item()
