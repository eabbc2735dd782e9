"""A run's training as charts: losses, accuracies, learning rate; and the angles of its weights."""

from __future__ import annotations

from collections.abc import Sequence

from eval.groups import Group
from eval.report.class_angles import ClassAngles, class_angle_section
from eval.report.courses import NO_METRICS, Logged, course, kinds_of_line, of
from eval.report.layer_angles import Layers, layer_angle_section
from eval.report.sections import Section, members, section
from eval.series import accuracies, metrics

NO_EVALUATIONS = "no run directory with eval/step_*.json"


def training_sections(
    groups: Sequence[Group], targets: Sequence[str], class_angles: ClassAngles, layers: Layers
) -> list[Section]:
    """Curves over the training, and angles of the class weights and of the layers.

    Args:
        class_angles: name of a run → the angle in degrees of each class to its nearest other one.
        layers: name of a run → the angles of its layers.

    Raises:
        DataError: a file of a run is broken.
    """
    logged = {run.name: metrics(run) for *_, run in members(groups)}
    of_layers = layer_angle_section(groups, logged, layers, class_angles)
    return [
        _training(groups, targets, logged),
        class_angle_section(groups, logged, class_angles),
        *([of_layers] if of_layers else []),
    ]


def _training(groups: Sequence[Group], targets: Sequence[str], logged: Logged) -> Section:
    evaluated = {run.name: accuracies(run) for *_, run in members(groups)}
    evaluations = [
        course(groups, *_accuracy(groups, target), of(evaluated, target), NO_EVALUATIONS,
               scale=100, dots=True)
        for target in targets
    ]  # fmt: skip
    margin = course(groups, "Loss without the regularizer", "loss of the head, nats",
                    of(logged, "loss_margin"), NO_METRICS)  # fmt: skip
    batches = course(groups, "Accuracy on training batches", "correctly classified, %",
                     of(logged, "accuracy"), NO_METRICS, scale=100)  # fmt: skip
    rate = course(groups, "Learning rate", "learning rate, log scale",
                  of(logged, "lr"), NO_METRICS, log_y=True)  # fmt: skip
    return section("Training", [margin, *evaluations, batches, rate], kinds_of_line(groups))


def _accuracy(groups: Sequence[Group], target: str) -> tuple[str, str]:
    """Title and label of the target's accuracy: of verified pairs, or of classified images."""
    if any(target in run.results.verified for *_, run in members(groups)):
        return f"Verification accuracy on {target}", "10-fold accuracy, %"
    return f"Top-1 accuracy on {target}", "top-1 accuracy, %"
