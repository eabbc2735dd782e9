"""The program that measures the mechanism, on a few classes."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def tools(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))

    def named(name):
        return importlib.import_module(name)

    return named


def rows(tools, tmp_path, *arguments):
    file = tmp_path / "found.json"
    assert tools("measure_mechanism").main([*arguments, "--json", str(file)]) == 0
    return json.loads(file.read_text())["rows"]


def test_features_are_at_their_angle_and_every_class_comes_equally_often(tools):
    faces = tools("generated_classes").GeneratedClasses(30, 64, 40.0, spread=0.0)
    features, labels = faces.batch(3, 60)
    cosine = (features * faces.prototypes()[labels]).sum(1)
    torch.testing.assert_close(torch.rad2deg(cosine.arccos()), torch.full((60,), 40.0))
    assert torch.bincount(labels, minlength=30).tolist() == [2] * 30
    again, same = faces.batch(3, 60)
    assert torch.equal(features, again)
    assert torch.equal(labels, same)
    assert not torch.equal(features, faces.batch(4, 60)[0])


def test_fresh_class_weights_know_nothing_of_the_classes(tools):
    generated = tools("generated_classes")
    faces = generated.GeneratedClasses(50, 64, 40.0)
    torch.manual_seed(0)  # the seed of the prototypes too
    weight = generated.recognizer(faces, 0.0).classifier.weight.detach()
    cosine = (F.normalize(weight) * faces.prototypes()).sum(1)
    assert float(cosine.abs().mean()) < 0.2


def test_what_is_measured_agrees_with_the_gradients_of_a_training_step(tools):
    generated, state = tools("generated_classes"), tools("mechanism_state")
    step = tools("measure_mechanism").Schedule(0.1, 10)
    faces = generated.GeneratedClasses(200, 512, 60.0)
    model = generated.recognizer(faces, 0.3)
    training = generated.Training(faces, model, step, 20)
    generated.start_at_prototypes(model, faces, 2.0)
    found = state.measure(training, 1)
    done = training.update(measure=True)
    assert 0.3 * found.one_step_ratio == pytest.approx(float(done.influence.ratio), rel=1e-4)
    assert found.averaged_ratio == pytest.approx(found.one_step_ratio, rel=1e-4)
    assert found.loss == pytest.approx(float(done.losses.margin), rel=1e-5)
    assert found.norm == pytest.approx(2.0)
    theory = tools("mechanism_theory")
    formula = theory.one_step_ratio(theory.Recipe(200, 20), found.state, 1.0)
    assert formula == pytest.approx(found.one_step_ratio, rel=0.15)


def test_arms_differ_by_mma_alone_and_turn_in_proportion_to_it(tools, tmp_path):
    found = rows(
        tools, tmp_path, "classes", "--classes", "60", "--dimensions", "32", "--steps", "60",
        "--weights", "0.03", "0.3",
    )  # fmt: skip
    assert [(r["embedding"], r["weight"]) for r in found] == [
        (e, w) for e in ("fixed", "linear") for w in (0.0, 0.03, 0.3)
    ]
    for none, weak, strong in (found[:3], found[3:]):
        assert none["turned_deg"] == 0.0
        assert strong["turned_deg"] == pytest.approx(10 * weak["turned_deg"], rel=0.2)
        assert strong["mean_min_angle_deg"] > none["mean_min_angle_deg"]
        expected = 0.3 * none["for_weight_1"]["tilt_theory_deg"]
        assert 0.1 * expected < strong["turned_deg"] < 1.1 * expected


def test_the_prediction_follows_from_what_it_shows(tools, tmp_path):
    fresh, late = rows(
        tools, tmp_path, "casia", "--casia-classes", "400", "--casia-dimensions", "64",
        "--losses", "5", "--updates", "4", "--measured", "2",
    )  # fmt: skip
    assert fresh["stage"] == "fresh"
    assert fresh["loss"] > 30
    assert late["loss"] == pytest.approx(5.0, abs=1.5)
    one, weak = late["for_weight_1"], late["weight_0.03"]
    assert weak["one_step_ratio"] == pytest.approx(0.03 * one["one_step_ratio"])
    assert weak["tilt_deg"] == pytest.approx(0.03 * one["tilt_theory_deg"])
    assert late["weight_for_one_step_ratio"]["0.1"] * one["one_step_ratio"] == pytest.approx(0.1)
    assert late["weight_for_share_of_attraction"]["0.5"] * one[
        "share_of_attraction"
    ] == pytest.approx(0.5)


def test_a_real_network_on_generated_faces(tools, tmp_path):
    found = rows(
        tools, tmp_path, "r50", "--backbone", "tiny", "--casia-classes", "300", "--r50-batch", "8",
    )  # fmt: skip
    assert [row["updates"] for row in found] == [0, 1, 2]
    one = found[0]["for_weight_1"]
    assert one["one_step_ratio"] == pytest.approx(one["one_step_ratio_theory"], rel=0.5)
    images, labels = tools("generated_faces").GeneratedFaces(300).batch(1, 4)
    assert images.shape == (4, 3, 112, 112)
    assert labels.tolist() == [4, 5, 6, 7]
    assert -1.0 <= float(images.min()) < -0.5 < 0.5 < float(images.max()) <= 1.0


def test_curvature_is_the_loss_twice_differentiated(tools):
    generated, of = tools("generated_classes"), tools("mechanism_response")
    faces = generated.GeneratedClasses(4, 3, 40.0)
    head = generated.recognizer(faces, 0.0).classifier.head
    features, labels = (part.double() if k == 0 else part for k, part in
                        enumerate(faces.batch(7, 40)))  # fmt: skip
    units = faces.prototypes().double()
    curvature = of.Curvature(head, 3.0 * units, faces, 7, 40, 1)
    curvature.batches = [(features, labels)]

    def loss(weight):
        cosine = features @ F.normalize(weight).T
        own = cosine[range(40), labels]
        scores = 64.0 * cosine
        scores[range(40), labels] = 64.0 * (own.arccos() + 0.5).cos()
        return (scores.exp().sum(1).log() - scores[range(40), labels]).mean()

    turn = of.across(torch.randn(4, 3, dtype=torch.float64), units)
    step = 1e-5
    gradients = [torch.autograd.functional.jacobian(loss, units + k * turn) for k in (-step, step)]
    expected = of.across((gradients[1] - gradients[0]) / (2 * step), units)
    torch.testing.assert_close(curvature(turn), expected, rtol=1e-5, atol=1e-7)


def test_the_response_balances_the_pull(tools):
    mixed = torch.randn(12, 12, dtype=torch.float64)
    curved = mixed @ mixed.T + torch.eye(12, dtype=torch.float64)
    pull = torch.randn(4, 3, dtype=torch.float64)
    found = tools("mechanism_response").response(
        lambda turn: (curved @ turn.flatten()).view(4, 3), pull, precision=1e-9
    )
    expected = -torch.linalg.solve(curved, pull.flatten()).view(4, 3)
    torch.testing.assert_close(found, expected)


def test_too_few_images_do_not_hold_class_weights(tools):
    generated, of = tools("generated_classes"), tools("mechanism_response")
    faces = generated.GeneratedClasses(8, 16, 40.0)
    head = generated.recognizer(faces, 0.0).classifier.head
    curvature = of.Curvature(head, -faces.prototypes(), faces, 0, 8, 1)
    with pytest.raises(of.TooFewImages, match="so few images"):
        of.response(curvature, of.pull_of_mma(-faces.prototypes()))


def test_too_few_images_are_told_in_one_line(tools, tmp_path, capsys):
    status = tools("measure_mechanism").main(
        ["response", "--classes", "40", "--dimensions", "32", "--steps", "20", "--weights", "0.03",
         "--images", "2", "--json", str(tmp_path / "found.json")]
    )  # fmt: skip
    told = capsys.readouterr().err
    assert (status, told.count("\n")) == (1, 1)
    assert told.endswith("give more --images\n")


def test_the_curvature_and_the_mean_pull_say_how_far_class_weights_turn(tools, tmp_path):
    (row,) = rows(
        tools, tmp_path, "response", "--classes", "60", "--dimensions", "32", "--steps", "400",
        "--weights", "0.03", "--images", "150",
    )  # fmt: skip
    assert row["tilt_by_curvature_and_mean_pull_deg"] == pytest.approx(row["turned_deg"], rel=0.2)
    assert row["tilt_by_curvature_and_mean_pull_deg"] < row["tilt_by_curvature_deg"]
    assert row["tilt_by_curvature_deg"] < row["tilt_theory_deg"]
