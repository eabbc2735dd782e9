"""ArcFace+: train, verify and compare face-verification models.

What people import is here: ``from arcface_plus import ArcFace, MMA, load_embedder, read_pairs``.
A name is loaded when it is first asked for, so that `arcface-plus --help` need not wait for
PyTorch. `__init__.pyi` tells type checkers and editors the same names; docs/python.md explains.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    # models: tensors in, tensors out
    "ArcFace": "arcface_plus.models.heads:ArcFace",
    "MarginHead": "arcface_plus.models.heads:MarginHead",
    "NormalizedSoftmax": "arcface_plus.models.heads:NormalizedSoftmax",
    "AdaFace": "arcface_plus.models.heads:AdaFace",
    "CombinedMargin": "arcface_plus.models.heads:CombinedMargin",
    "CosFace": "arcface_plus.models.heads:CosFace",
    "CurricularFace": "arcface_plus.models.heads:CurricularFace",
    "Head": "arcface_plus.models.heads:Head",
    "LSoftmax": "arcface_plus.models.heads:LSoftmax",
    "LinearSoftmax": "arcface_plus.models.heads:LinearSoftmax",
    "MagFace": "arcface_plus.models.heads:MagFace",
    "Samples": "arcface_plus.models.heads:Samples",
    "SphereFace": "arcface_plus.models.heads:SphereFace",
    "SphereFace2": "arcface_plus.models.heads:SphereFace2",
    "SubCenterArcFace": "arcface_plus.models.heads:SubCenterArcFace",
    "MMA": "arcface_plus.models.regularizers:MMA",
    "MHE": "arcface_plus.models.regularizers:MHE",
    "Orthogonal": "arcface_plus.models.regularizers:Orthogonal",
    "Orthonormal": "arcface_plus.models.regularizers:Orthonormal",
    "KoLeo": "arcface_plus.models.regularizers:KoLeo",
    "MaximalCosine": "arcface_plus.models.regularizers:MaximalCosine",
    "nearest_angles": "arcface_plus.models.regularizers:nearest_angles",
    "IResNet": "arcface_plus.models.backbones:IResNet",
    "MobileFaceNet": "arcface_plus.models.backbones:MobileFaceNet",
    "r18": "arcface_plus.models.backbones:r18",
    "r34": "arcface_plus.models.backbones:r34",
    "r50": "arcface_plus.models.backbones:r50",
    "r100": "arcface_plus.models.backbones:r100",
    "Classifier": "arcface_plus.models.classifier:Classifier",
    "Recognizer": "arcface_plus.models.recognizer:Recognizer",
    "margin_cross_entropy": "arcface_plus.models.margin_cross_entropy:margin_cross_entropy",
    # model files
    "Embedder": "arcface_plus.embedder.load:Embedder",
    "load_embedder": "arcface_plus.embedder.load:load_embedder",
    "network_embedder": "arcface_plus.embedder.load:network_embedder",
    # data
    "RecordReader": "data_prep.recordio:RecordReader",
    "RecordWriter": "data_prep.recordio:RecordWriter",
    "TrainingSetWriter": "data_prep.training_set:TrainingSetWriter",
    "read_pairs": "data_prep.pairs:read_pairs",
    "write_pairs": "data_prep.pairs:write_pairs",
    "generate_faces": "data_prep.faces.synthetic:generate",
    # training, verification, comparison
    "load_config": "arcface_plus.config.tree:load",
    "train": "arcface_plus.training.run:execute",
    "verify": "eval.verification:verify",
    "verify_targets": "arcface_plus.evaluation.verification:verify_targets",
    "compare": "eval.compare:compare",
    # errors
    "UserError": "data_prep.errors:UserError",
    "DataError": "data_prep.errors:DataError",
    "Diverged": "arcface_plus.training.errors:Diverged",
    "Interrupted": "arcface_plus.training.errors:Interrupted",
}

__all__ = ["__version__", *_HOMES]  # noqa: PLE0604  (the names are strings)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    value = globals()[name] = getattr(import_module(module), attribute)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
