"""The names of the files and folders in a run directory."""

from __future__ import annotations

from arcface_plus.run_directory.interrupted import MARKER
from arcface_plus.run_directory.model_file import MODEL_CARD, MODEL_WEIGHTS
from arcface_plus.run_directory.nearest_classes import FILE as NEAREST_CLASSES
from arcface_plus.run_directory.sinks.jsonl import METRICS_FILE
from arcface_plus.run_directory.sinks.tracked_id import TRACKING_FILE
from arcface_plus.run_directory.sinks.wandb import FOLDER as WANDB_FOLDER

CONFIG_FILE = "config.yaml"
ENVIRONMENT_FILE = "environment.json"
SUMMARY_FILE = "summary.json"
SAMPLES_FOLDER = "samples"  # pictures of what a GAN generates
LOCK_FILE = ".lock"  # while a run uses the directory; see lock.py
ENTRIES = (
    CONFIG_FILE, ENVIRONMENT_FILE, METRICS_FILE, "tb", "checkpoints", MODEL_WEIGHTS, MODEL_CARD,
    "eval", SAMPLES_FOLDER, NEAREST_CLASSES, SUMMARY_FILE, "diverged.json", MARKER, TRACKING_FILE,
    WANDB_FOLDER,
)  # fmt: skip
