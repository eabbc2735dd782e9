"""What a run determines before it touches its directory: device, data, targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from arcface_plus.config.faces import FaceConfig
from arcface_plus.config.tree import RunConfig
from arcface_plus.console import say
from arcface_plus.data.preparation import Crops
from arcface_plus.data.sources import TrainingImages
from arcface_plus.embedder.load import network_embedder
from arcface_plus.evaluation.verification import (
    VerificationReport,
    check_pair_file,
    target_file,
    verify_targets,
)
from arcface_plus.models.classifier import Classifier
from arcface_plus.run_directory.model_file import ModelCard
from arcface_plus.run_directory.training_state import Conditions
from arcface_plus.runtime import (
    Processes,
    join_processes,
    make_deterministic,
    resolve_device,
    resolve_precision,
)
from arcface_plus.training.checks import check_settings, checked_source
from arcface_plus.training.classification import image_material
from arcface_plus.training.material import Material
from data_prep.pairs import read_pairs

VERIFY_BATCH = 128


@dataclass(frozen=True)
class Groundwork:
    """What a run is built on.

    material: what the task brings.
    """

    device: torch.device
    processes: Processes
    material: Material
    conditions: Conditions

    @property
    def source(self) -> TrainingImages:
        """The training images."""
        return self.material.source

    @property
    def side(self) -> int:
        """Of the network's input."""
        return self.material.card.input_size[0]


def lay_groundwork(config: RunConfig) -> Groundwork:
    """Check everything that can be checked before a run begins; UserError if something is wrong."""
    processes = join_processes(config.runtime.timeout_seconds)
    device = _chosen_device(config, processes)
    check_settings(config, processes.count)
    material = _MATERIALS[config.task](config, processes, device)
    conditions = Conditions(
        classes=material.source.classes,
        samples=len(material.source),
        data_digest=material.digest,
        precision=resolve_precision(config.runtime.precision, device),
        channels_last=channels_last(config),
    )
    return Groundwork(device, processes, material, conditions)


def _face_material(config: FaceConfig, processes: Processes, device: torch.device) -> Material:
    """Training set and pair files, checked; the first process counts images that both have."""
    source = checked_source(config, processes.first)
    files = target_files(config)
    targets = {name: read_pairs(file)[0] for name, file in files.items()} if processes.first else {}
    digest, shared = source.digest_and_shared(targets)
    for name, count in shared.items():
        if count:
            say(
                f"{name}: {count} of its {len(set(targets[name]))} images are also in the training "
                "set, so its accuracy will say little about unseen people; list them with "
                f"`data check --against {files[name]}`",
                style="yellow",
            )
    verify = verifier(config, files, device)

    def evaluate(backbone: nn.Module, classifier: Classifier) -> VerificationReport:
        return verify(backbone)

    card = ModelCard(
        backbone=config.model.backbone.name,
        parameters=config.model.backbone.parameters,
        embedding_dim=config.model.embedding_dim,
    )
    return Material(source, digest, Crops(config.data.flip), card, evaluate, shared)


_MATERIALS: dict[str, Callable[[Any, Processes, torch.device], Material]] = {
    "verification": _face_material,
    "classification": image_material,
}


def target_files(config: FaceConfig) -> dict[str, Path]:
    """The pair file of each target; UserError if one is absent or invalid."""
    data = pair_folder(config)
    files = {target: target_file(data, target) for target in config.eval.targets}
    for file in files.values():
        check_pair_file(file)
    return files


def pair_folder(config: FaceConfig) -> Path:
    """The folder of <target>.bin: `eval.data`, or where the training data is."""
    train = Path(config.data.train or "")
    return Path(config.eval.data) if config.eval.data else train if train.is_dir() else train.parent


def verifier(
    config: FaceConfig, files: Mapping[str, Path], device: torch.device
) -> Callable[[nn.Module], VerificationReport]:
    """Verification as the trainer calls it."""
    data = next(iter(files.values())).parent if files else Path()

    def verify(backbone: nn.Module) -> VerificationReport:
        embedder = network_embedder(backbone, device, config.model.backbone.name)
        return verify_targets(embedder, data, config.eval.targets, batch_size=VERIFY_BATCH)

    return verify


def channels_last(config: RunConfig) -> bool:
    """Whether images and feature maps use the channels_last memory format."""
    setting = config.runtime.channels_last
    return True if isinstance(setting, str) else setting


def _chosen_device(config: RunConfig, processes: Processes) -> torch.device:
    """This process's device; configures determinism and cuDNN's autotuning."""
    device = resolve_device(config.runtime.device, processes.local_rank)
    if config.run.deterministic:
        make_deterministic()
    elif device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # few shapes, each used thousands of times
    return device
