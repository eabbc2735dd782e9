#!/usr/bin/env python3
"""When does λ·MMA act beside ArcFace's loss? Measured on generated classes, on a CPU.

    python tools/measure_mechanism.py classes  --json FILE   # by class count, with and without MMA
    python tools/measure_mechanism.py response --json FILE   # the turn by the loss's curvature
    python tools/measure_mechanism.py casia    --json FILE   # the size of CASIA's recipe, by loss
    python tools/measure_mechanism.py r50      --json FILE   # three batches of the real network

The features are generated (tools/generated_classes.py); head, loss, class weights and MMA are the
package's. `classes` trains with and without MMA on the same batches and compares the class weights.
`response` asks what decides how far they turn (tools/mechanism_response.py). `casia` does not train
to the end: it measures at several losses and predicts by the formulas of mechanism_theory.py. `r50`
checks that a fresh network agrees with them. FILE is written anew after each row, and holds all
settings.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

import mechanism_theory as theory  # noqa: E402
from generated_classes import (  # noqa: E402
    GeneratedClasses,
    Training,
    recognizer,
    start_at_prototypes,
)
from generated_faces import GeneratedFaces  # noqa: E402
from mechanism_response import Curvature, TooFewImages, across, pull_of_mma, response  # noqa: E402
from mechanism_state import Measured, measure, samples  # noqa: E402

from arcface_plus.bench.machine import facts  # noqa: E402
from arcface_plus.models.backbones import BACKBONES  # noqa: E402
from arcface_plus.models.classifier import Classifier  # noqa: E402
from arcface_plus.models.heads import ArcFace  # noqa: E402
from arcface_plus.models.recognizer import Recognizer  # noqa: E402
from arcface_plus.models.regularizers import MMA  # noqa: E402
from arcface_plus.training.schedules import Step as Schedule  # noqa: E402

Row = dict[str, Any]
BATCH = 440
STAGES = {30.0: 0.1, 20.0: 0.1, 12.0: 0.1, 8.0: 0.01, 5.0: 0.001, 1.0: 0.001}
"""Loss to reach: learning rate at which the CASIA recipe may have it (an assumption)."""
SHARES = (0.01, 0.1, 0.5)
RESPONSE_RATE = 0.01


def settle(training: Training, faces: GeneratedClasses, lr: float) -> None:
    """Start at the prototypes with the length that gradients and weight decay keep at ``lr``."""
    start_at_prototypes(training.model, faces, 1.0)
    found = measure(training, 2)
    recipe = theory.Recipe(faces.classes, training.batch)
    start_at_prototypes(training.model, faces, theory.settled_norm(recipe, found.state, lr))


def described(found: Measured, recipe: theory.Recipe) -> Row:
    state = found.state
    return {
        "loss": found.loss, "doubt": found.doubt, "angle_deg": found.angle, "norm": found.norm,
        "mean_min_angle_deg": found.mean_min_angle, "state": dataclasses.asdict(state),
        "for_weight_1": {
            "one_step_ratio": found.one_step_ratio,
            "one_step_ratio_theory": theory.one_step_ratio(recipe, state, 1.0),
            "averaged_ratio": found.averaged_ratio,
            "share_of_attraction": theory.share_of_attraction(recipe, state, 1.0),
            # Fresh class weights have no place to which they would come back.
            "tilt_theory_deg": math.degrees(theory.tilt(recipe, state, 1.0))
            if state.stiffness > 0.0
            else None,
        },
    }  # fmt: skip


def classes(options: argparse.Namespace) -> Iterator[Row]:
    """Arms with and without MMA, from the same start and on the same batches, by class count."""
    for embedding in options.embeddings:
        for count in options.classes:
            without: torch.Tensor | None = None
            for weight in (0.0, *options.weights):
                faces = GeneratedClasses(
                    count, options.dimensions, options.angle, decay=0.5 * (embedding == "linear")
                )
                torch.manual_seed(0)
                schedule = Schedule(0.1, options.steps, milestones=(options.steps * 4 // 5,))
                model = recognizer(faces, weight, embedding)
                training = Training(faces, model, schedule, BATCH)
                settle(training, faces, 0.1)
                for _ in range(options.steps):
                    training.update()
                found = measure(training, max(8, 4 * count // BATCH))
                row = described(found, theory.Recipe(count, BATCH))
                units = F.normalize(model.classifier.weight.detach())
                without = units if without is None else without
                yield {
                    "embedding": embedding, "classes": count, "weight": weight, **row,
                    "turned_deg": turned(units, without),
                }  # fmt: skip


def turned(units: torch.Tensor, others: torch.Tensor) -> float:
    """Root mean square angle between rows of the same class, degrees."""
    distance = (units - others).norm(dim=1).double()
    return math.degrees(float((2.0 * (distance / 2.0).asin()).square().mean().sqrt()))


def responses(options: argparse.Namespace) -> Iterator[Row]:
    """Class weights turned by MMA at a constant rate, beside what three formulas say."""
    for count in options.classes:
        faces = GeneratedClasses(count, options.dimensions, options.angle)
        schedule = Schedule(RESPONSE_RATE, options.steps, milestones=())
        averaged = options.steps // 2
        for weight in options.weights:
            units, pull = [], torch.zeros(count, options.dimensions)
            for strength in (weight, 0.0):
                torch.manual_seed(0)
                training = Training(faces, recognizer(faces, strength), schedule, BATCH)
                settle(training, faces, RESPONSE_RATE)
                while training.step < options.steps:
                    training.update()
                    if strength == 0.0 and training.step > options.steps - averaged:
                        pull += pull_of_mma(training.model.classifier.weight) / averaged
                units.append(F.normalize(training.model.classifier.weight.detach()))
            found = measure(training, max(8, 4 * count // BATCH))
            classifier, batches = training.model.classifier, options.images * count // BATCH + 1
            curvature = Curvature(
                classifier.head, classifier.weight, faces, training.step, BATCH, batches
            )
            last, pull = pull_of_mma(classifier.weight), across(pull, curvature.units)
            tilts = (response(curvature, weight * pull) for pull in (last, pull))
            by_last, by_mean = (tilt.norm(dim=1).square().mean().sqrt() for tilt in tilts)
            yield {
                "classes": count, "weight": weight,
                "turned_deg": turned(*units),
                "tilt_theory_deg": math.degrees(
                    theory.tilt(theory.Recipe(count, BATCH), found.state, weight)
                ),
                "tilt_by_curvature_deg": math.degrees(float(by_last)),
                "tilt_by_curvature_and_mean_pull_deg": math.degrees(float(by_mean)),
                "mean_pull_over_last": float(pull.norm() / last.norm()),
            }  # fmt: skip


def casia(options: argparse.Namespace) -> Iterator[Row]:
    """Fresh weights, then the losses of STAGES; and what follows for the whole recipe."""
    recipe = theory.Recipe(options.casia_classes, BATCH)
    if options.fresh:
        faces = GeneratedClasses(options.casia_classes, options.casia_dimensions, 70.0)
        torch.manual_seed(0)
        fresh = Training(faces, recognizer(faces, 0.0), Schedule(0.1, 1), BATCH)
        yield {"stage": "fresh", **described(measure(fresh, options.measured), recipe)}
    for loss in options.losses:
        lr = STAGES[loss]
        angle = angle_for_loss(options, loss)
        faces = GeneratedClasses(options.casia_classes, options.casia_dimensions, angle)
        training = Training(faces, recognizer(faces, 0.0), Schedule(lr, 1), BATCH)
        settle(training, faces, 0.1)
        for _ in range(options.updates):
            training.update()
        found = measure(training, options.measured)
        yield {
            "stage": f"loss {loss:g}", "lr": lr, "feature_angle_deg": angle,
            **described(found, recipe), **predicted(found, recipe, lr),
        }  # fmt: skip


def angle_for_loss(options: argparse.Namespace, loss: float) -> float:
    """By bisection: the angle of features that gives this loss where weights are prototypes."""
    low, high = 5.0, 100.0
    for _ in range(8):
        angle = 0.5 * (low + high)
        faces = GeneratedClasses(options.casia_classes, options.casia_dimensions, angle)
        model = recognizer(faces, 0.0)
        start_at_prototypes(model, faces, 1.0)
        too_easy = float(samples(model, *faces.batch(0, BATCH)).loss.mean()) < loss
        low, high = (angle, high) if too_easy else (low, angle)
    return 0.5 * (low + high)


def predicted(found: Measured, recipe: theory.Recipe, lr: float) -> Row:
    """By the formulas; the learning rates and lengths of the whole schedule in ``free_turn``."""
    state = found.state
    schedule = Schedule(0.1, 38_000)  # the milestones are the recipe's
    norm = theory.settled_norm(recipe, state, 0.1)
    free = theory.free_turn(
        recipe, 0.03, state.tangents, (schedule.at(step) / norm**2 for step in range(38_000))
    )
    one_step, share = found.one_step_ratio, theory.share_of_attraction(recipe, state, 1.0)
    return {
        "settled_norm": norm,
        "relaxation_steps": theory.relaxation_steps(recipe, state, lr, norm),
        "weight_0.03": {
            "one_step_ratio": 0.03 * one_step,
            "share_of_attraction": 0.03 * share,
            "tilt_deg": math.degrees(theory.tilt(recipe, state, 0.03)),
            "free_turn_deg": math.degrees(free),
        },
        "weight_for_one_step_ratio": {f"{s:g}": s / one_step for s in SHARES},
        "weight_for_share_of_attraction": {f"{s:g}": s / share for s in SHARES},
    }


def r50(options: argparse.Namespace) -> Iterator[Row]:
    """The first updates of the recipe's own network on generated faces, at a smaller batch."""
    torch.manual_seed(0)
    recipe = theory.Recipe(options.casia_classes, options.r50_batch)
    backbone = BACKBONES[options.backbone](embedding_dim=512, dropout=0.4)
    classifier = Classifier(512, recipe.classes, ArcFace(64.0, 0.5))
    model = Recognizer(backbone, classifier, MMA(), 0.03)
    training = Training(
        GeneratedFaces(recipe.classes), model, Schedule(0.1, 38_000), options.r50_batch
    )
    for _ in range(3):
        yield {"updates": training.step, **described(measure(training, 1), recipe)}
        training.update()


EXPERIMENTS = {"classes": classes, "response": responses, "casia": casia, "r50": r50}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("experiment", choices=sorted(EXPERIMENTS))
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--weights", type=float, nargs="+", default=[0.03, 0.3, 3.0], help="λ")
    parser.add_argument("--classes", type=int, nargs="+", default=[324, 1000, 5573, 10_575])
    parser.add_argument(
        "--embeddings", nargs="+", default=["fixed", "linear"], choices=["fixed", "linear"]
    )
    parser.add_argument("--dimensions", type=int, default=128, help="of classes")
    parser.add_argument("--angle", type=float, default=50.0, help="degrees, of classes")
    parser.add_argument("--steps", type=int, default=600, help="of each arm of classes")
    parser.add_argument("--images", type=int, default=260, help="a class, for response")
    parser.add_argument("--casia-classes", type=int, default=10_575)
    parser.add_argument("--casia-dimensions", type=int, default=512)
    parser.add_argument("--fresh", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--losses", type=float, nargs="*", default=list(STAGES), choices=STAGES)
    parser.add_argument("--updates", type=int, default=100, help="of each stage of casia")
    parser.add_argument("--measured", type=int, default=48, help="batches of each stage of casia")
    parser.add_argument("--backbone", default="r50", choices=sorted(BACKBONES))
    parser.add_argument("--r50-batch", type=int, default=32)
    options = parser.parse_args(arguments)
    content: Row = {
        "experiment": options.experiment, "machine": facts(),
        "settings": {k: v for k, v in vars(options).items() if k not in ("json", "experiment")},
        "rows": [],
    }  # fmt: skip
    begun = time.monotonic()
    try:
        for row in EXPERIMENTS[options.experiment](options):
            content["rows"].append({**row, "seconds": time.monotonic() - begun})
            options.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    except TooFewImages as error:
        print(f"error: {error}; give more --images", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
