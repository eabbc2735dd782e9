"""The public names with their types; `__init__.py` loads them when they are asked for."""

from arcface_plus.config.tree import load as load_config
from arcface_plus.embedder.load import Embedder, load_embedder, network_embedder
from arcface_plus.evaluation.verification import verify_targets
from arcface_plus.models.backbones import IResNet, MobileFaceNet, r18, r34, r50, r100
from arcface_plus.models.classifier import Classifier
from arcface_plus.models.heads import (
    AdaFace,
    ArcFace,
    CombinedMargin,
    CosFace,
    CurricularFace,
    Head,
    LinearSoftmax,
    LSoftmax,
    MagFace,
    MarginHead,
    NormalizedSoftmax,
    Samples,
    SphereFace,
    SphereFace2,
    SubCenterArcFace,
)
from arcface_plus.models.margin_cross_entropy import margin_cross_entropy
from arcface_plus.models.recognizer import Recognizer
from arcface_plus.models.regularizers import (
    MHE,
    MMA,
    KoLeo,
    MaximalCosine,
    Orthogonal,
    Orthonormal,
    nearest_angles,
)
from arcface_plus.training.errors import Diverged, Interrupted
from arcface_plus.training.run import execute as train
from data_prep.errors import DataError, UserError
from data_prep.faces.synthetic import generate as generate_faces
from data_prep.pairs import read_pairs, write_pairs
from data_prep.recordio import RecordReader, RecordWriter
from data_prep.training_set import TrainingSetWriter
from eval.compare import compare
from eval.verification import verify

__version__: str
__all__ = [
    "MHE",
    "MMA",
    "AdaFace",
    "ArcFace",
    "Classifier",
    "CombinedMargin",
    "CosFace",
    "CurricularFace",
    "DataError",
    "Diverged",
    "Embedder",
    "Head",
    "IResNet",
    "Interrupted",
    "KoLeo",
    "LSoftmax",
    "LinearSoftmax",
    "MagFace",
    "MarginHead",
    "MaximalCosine",
    "MobileFaceNet",
    "NormalizedSoftmax",
    "Orthogonal",
    "Orthonormal",
    "Recognizer",
    "RecordReader",
    "RecordWriter",
    "Samples",
    "SphereFace",
    "SphereFace2",
    "SubCenterArcFace",
    "TrainingSetWriter",
    "UserError",
    "__version__",
    "compare",
    "generate_faces",
    "load_config",
    "load_embedder",
    "margin_cross_entropy",
    "nearest_angles",
    "network_embedder",
    "r18",
    "r34",
    "r50",
    "r100",
    "read_pairs",
    "train",
    "verify",
    "verify_targets",
    "write_pairs",
]
