"""All regularizers of a run: which ones, on which layers, with which weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from arcface_plus.models.classifier import Classifier
from arcface_plus.models.influence import Influence, Pulled, influence
from arcface_plus.models.layers import CLASSIFIER, chosen_names, hidden_layers, rows_of
from arcface_plus.models.nearest.neighbours import NearestAngles, nearest_angles
from arcface_plus.models.regularizers import Moment, Regularizer
from arcface_plus.models.shards import Shards

Reduction = Literal["sum", "mean"]


@dataclass(frozen=True)
class TermPlan:
    """One regularizer as a config states it.

    ``build``: a new regularizer; each layer gets its own, for what it remembers. ``layers``: see
    ``chosen_names``. ``reduction``: of the values of the layers; the papers take the sum.
    """

    name: str
    weight: float
    build: Callable[[], Regularizer]
    layers: str | Sequence[str] = CLASSIFIER
    reduction: Reduction = "sum"

    def __post_init__(self) -> None:
        if not (self.weight >= 0.0 and math.isfinite(self.weight)):
            raise ValueError(
                f"the regularizer's weight must be finite and at least 0, not {self.weight}"
            )
        if self.reduction not in get_args(Reduction):
            raise ValueError(f"reduction must be sum or mean, not '{self.reduction}'")


class Term(nn.Module):
    """A regularizer on one or more layers; ``forward``: their matrices → the reduced value."""

    def __init__(self, plan: TermPlan, label: str, names: Sequence[str]) -> None:
        super().__init__()
        self.label, self.weight, self.names = label, float(plan.weight), tuple(names)
        self._share = 1.0 / len(names) if plan.reduction == "mean" and names else 1.0
        # Names of modules may not hold dots.
        self.layers = nn.ModuleDict({_key(name): plan.build() for name in names})
        acts = [regularizer.acts for _, regularizer in self.by_layer()]
        self.acts = self.weight > 0.0 and any(acts)
        if any(r.needs_labels and name != CLASSIFIER for name, r in self.by_layer()):
            raise ValueError(f"{plan.name}: pairs of a batch's classes need layers: classifier")

    def by_layer(self) -> list[tuple[str, Regularizer]]:
        found = []
        for name in self.names:
            regularizer = self.layers[_key(name)]
            assert isinstance(regularizer, Regularizer)
            found.append((name, regularizer))
        return found

    def forward(
        self, matrices: Mapping[str, Tensor], moment: Moment | None, shards: Shards | None = None
    ) -> Tensor:
        """``shards``: of the classifier's rows, if several processes share them."""
        whole: Tensor | None = None
        for name, regularizer in self.by_layer():
            timed = regularizer.needs_labels or regularizer.needs_step
            given: dict[str, Any] = {"moment": moment} if timed else {}
            if shards is not None and name == CLASSIFIER:
                given["shards"] = shards
            value = regularizer(matrices[name], **given)
            whole = value if whole is None else whole + value
        assert whole is not None
        return whole if self._share == 1.0 else whole * self._share


class Regularization(nn.Module):
    """The weighted terms of a loss that depend on weights alone (and on a batch's labels).

    ``forward`` gives the values of the terms that act, not multiplied by their weights. Weights
    are those of ``backbone`` and ``classifier``, which are not part of this module; without a
    classifier the terms act on the backbone alone.
    ``state_dict`` names: ``terms.<number>.layers.<layer, / for .>.…``; the names of versions with
    one term on the classifier are understood. Raises ``ValueError`` for layers that do not exist.

    ``values``: of the latest forward pass by label, detached. ``measuring``: whether forward passes
    also keep what ``influences`` needs, which costs a copy of the weights' gradient a term.
    """

    def __init__(
        self,
        plans: Sequence[TermPlan],
        backbone: nn.Module,
        classifier: Classifier | None = None,
    ) -> None:
        super().__init__()
        labels = _labels([plan.name for plan in plans])
        self.terms = nn.ModuleList(
            Term(plan, label, chosen_names(plan.layers, backbone))
            for plan, label in zip(plans, labels, strict=True)
        )
        hidden, self._left_out = hidden_layers(backbone)
        self._of: dict[str, nn.Module] = dict(hidden)
        self._shards: Shards | None = None
        if classifier is not None:
            self._of[CLASSIFIER] = classifier
            self._shards = classifier.shards if classifier.sharded else None
        elif any(CLASSIFIER in term.names for term in self.terms if isinstance(term, Term)):
            raise ValueError(
                "there is no classifier here: name hidden layers, or all of them: hidden"
            )
        self.values: dict[str, Tensor] = {}
        self.measuring = False
        self._pulls: dict[str, dict[str, Tensor]] = {}
        self.register_load_state_dict_pre_hook(_from_a_single_regularizer)

    @property
    def acting(self) -> list[Term]:
        """The terms that can change the loss."""
        return [term for term in self.terms if isinstance(term, Term) and term.acts]

    @property
    def on_classes_alone(self) -> set[str]:
        """Labels of the terms that act on the class weights and on no other layer."""
        return {term.label for term in self.acting if term.names == (CLASSIFIER,)}

    @property
    def needs_labels(self) -> bool:
        """Whether a term is about the labels of the batch."""
        return any(r.needs_labels for term in self.acting for _, r in term.by_layer())

    def forward(self, moment: Moment | None = None) -> list[Tensor]:
        values = []
        self._pulls = {}
        for term in self.acting:
            matrices = {name: self._matrix(name) for name in term.names}
            value = term(matrices, moment, self._shards)
            if self.measuring:
                self._pulls[term.label] = self._pull(term, value)
            values.append(value)
        self.values = {t.label: v.detach() for t, v in zip(self.acting, values, strict=True)}
        return values

    def _matrix(self, name: str) -> Tensor:
        of = self._of[name]
        return of.rows() if isinstance(of, Classifier) else rows_of(of)

    def _pull(self, term: Term, value: Tensor) -> dict[str, Tensor]:
        """The gradient of the weighted term by the weights of its layers."""
        weights = [self._parameter(name) for name in term.names]
        found = torch.autograd.grad(term.weight * value, weights, retain_graph=True)
        return dict(zip(term.names, found, strict=True))

    def _parameter(self, name: str) -> Tensor:
        weight = self._of[name].weight
        assert isinstance(weight, Tensor)
        return weight

    def influences(self) -> dict[str, Influence]:
        """By label, what a term does beside the data loss; after the backward pass of a batch.

        Only if ``measuring`` was set before its forward pass, and while the gradients are neither
        scaled nor clipped.
        """
        found = {}
        for label, pull in self._pulls.items():
            layers = [
                Pulled(
                    self._parameter(name),
                    own,
                    [p[name] for p in self._pulls.values() if name in p],
                    sharded=name == CLASSIFIER and self._shards is not None,
                )
                for name, own in pull.items()
            ]
            found[label] = influence(layers)
        self._pulls = {}
        return found

    def class_angles(self) -> NearestAngles | None:
        """Those of the class weights, if a term has found them in the latest forward pass."""
        for term in self.acting:
            for name, regularizer in term.by_layer():
                if name == CLASSIFIER and regularizer.last is not None:
                    return regularizer.last
        return None

    def layer_angles(self) -> dict[str, NearestAngles]:
        """Of each hidden layer that a term acts on: found already, or searched for now."""
        found: dict[str, NearestAngles] = {}
        for term in self.acting:
            for name, regularizer in term.by_layer():
                if name != CLASSIFIER and name not in found:
                    found[name] = regularizer.last or nearest_angles(self._matrix(name))
        return found

    def report(self) -> dict[str, float]:
        """Metrics of the regularizers; ``.<layer>`` is added for hidden layers, and ``.<label>``
        where there are several terms."""
        found: dict[str, float] = {}
        for term in self.acting:
            label = f".{term.label}" if len(self.acting) > 1 else ""
            for name, regularizer in term.by_layer():
                layer = "" if name == CLASSIFIER else f".{name}"
                found |= {f"{k}{label}{layer}": v for k, v in regularizer.report().items()}
        return found

    def described(self) -> list[str]:
        """For each acting term on more than the classifier, one line: its layers."""
        return [
            f"{term.label} acts on {self._counted(term.names)}"
            for term in self.acting
            if term.names != (CLASSIFIER,)
        ]

    def _counted(self, names: Sequence[str]) -> str:
        kinds: dict[str, int] = {}
        for name in names:
            of = self._of[name]
            kind = "the classifier" if name == CLASSIFIER else _kind(of)
            kinds[kind] = kinds.get(kind, 0) + 1
        parts = [k if k == "the classifier" else _plural(n, k) for k, n in kinds.items()]
        shown = ", ".join(names if len(names) <= 4 else [*names[:2], "…", names[-1]])
        reasons: dict[str, int] = {}
        for reason in self._left_out.values():
            reasons[reason] = reasons.get(reason, 0) + 1
        out = ", ".join(f"{n} ({reason})" for reason, n in reasons.items())
        return f"{', '.join(parts)} ({shown})" + (f"; never on {out}" if out else "")


def _key(name: str) -> str:
    return name.replace(".", "/")


def _kind(module: nn.Module) -> str:
    return "fully connected layer" if isinstance(module, nn.Linear) else "convolution"


def _plural(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"


def _labels(names: Sequence[str]) -> list[str]:
    """The names; from its second occurrence on with a number: mma, mma_2."""
    return [
        name if (before := names[:number].count(name)) == 0 else f"{name}_{before + 1}"
        for number, name in enumerate(names)
    ]


def _from_a_single_regularizer(
    module: nn.Module, state: dict[str, Any], prefix: str, *_: object
) -> None:
    """Versions with one regularizer on the classifier saved its state alone."""
    former = f"{prefix}_extra_state"
    if former in state:
        state[f"{prefix}terms.0.layers.{CLASSIFIER}._extra_state"] = state.pop(former)
