"""One step of a GAN: an update of the generator, then one of the discriminator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.nn.utils import parametrize

from arcface_plus.gan.config import Adam
from arcface_plus.gan.discriminator import Discriminator
from arcface_plus.gan.generator import Generator
from arcface_plus.gan.latents import Stream, latents
from arcface_plus.models.regularization import Regularization
from arcface_plus.models.regularizers import Moment


@dataclass(frozen=True)
class GanUpdate:
    """Scalars on the device, detached.

    regularizer: the sum of the terms, each multiplied by its weight; None if no term acts.
    values: of each term by its label, not multiplied.
    gradient_ratio: norm of the regularizer's gradient over that of the discriminator's loss, both
        by the discriminator's parameters; None unless measured.
    """

    d_loss: Tensor
    g_loss: Tensor
    regularizer: Tensor | None = None
    values: Mapping[str, Tensor] = field(default_factory=dict)
    gradient_ratio: Tensor | None = None

    @property
    def total(self) -> Tensor:
        """Finite if all losses are."""
        total = self.d_loss + self.g_loss
        return total if self.regularizer is None else total + self.regularizer


class GanUpdater:
    """Makes the step of any number, as a function of weights, real images, seed and number.

    The loss is the logistic one: the discriminator minimizes mean softplus(−D(x)) + mean
    softplus(D(G(z))) plus the regularizer, the generator mean softplus(−D(G(z))), that is −log of
    the probability of "real" (MHE paper, equation 20 and below). Adam for each; z is drawn anew
    for each of the two updates.

    Regularizers see the weights as the discriminator uses them, with spectral norm W/σ(W). Those
    that depend on directions alone (MHE, MMA) have the same value and the same gradient by W on
    either; only for the orthonormal one it makes a difference.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        regularization: Regularization,
        optimizer: Adam,
        seed: int,
    ) -> None:
        self.generator, self.discriminator = generator.train(), discriminator.train()
        self.regularization, self.seed = regularization, seed
        settings = {"lr": optimizer.lr, "betas": optimizer.betas}
        self.g_optimizer = torch.optim.Adam(generator.parameters(), **settings)  # type: ignore[arg-type]
        self.d_optimizer = torch.optim.Adam(discriminator.parameters(), **settings)  # type: ignore[arg-type]

    def make(self, real: Tensor, step: int, measure: bool = False) -> GanUpdate:
        """Step number `step`, counted from 0.

        real: (n, 3, 32, 32) in [−1, 1]; as many images are generated. measure: also the ratio of
        the gradients.
        """
        g_loss = self._improve_generator(len(real), step, real.device)
        with torch.no_grad():
            fake = self.generator(self._latents(Stream.DISCRIMINATOR, step, len(real), real.device))
        with parametrize.cached():  # one power iteration, and one matrix, for the whole update
            d_loss = softplus(-self.discriminator(real)).mean()
            d_loss = d_loss + softplus(self.discriminator(fake)).mean()
            penalty, values = self._penalty(step)
            ratio = self._descend(d_loss, penalty, measure)
        return GanUpdate(
            d_loss.detach(), g_loss, None if penalty is None else penalty.detach(), values, ratio
        )

    def _improve_generator(self, count: int, step: int, device: torch.device) -> Tensor:
        images = self.generator(self._latents(Stream.GENERATOR, step, count, device))
        with _fixed(self.discriminator), parametrize.cached():
            loss = softplus(-self.discriminator(images)).mean()
            loss.backward()
        self.g_optimizer.step()
        self.g_optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    def _latents(self, stream: Stream, step: int, count: int, device: torch.device) -> Tensor:
        return latents(stream, self.seed, step, count, self.generator.latent_dim).to(device)

    def _penalty(self, step: int) -> tuple[Tensor | None, dict[str, Tensor]]:
        """The weighted sum of the terms, and each term's value; None without any."""
        terms = self.regularization.acting
        if not terms:
            return None, {}
        values = self.regularization(Moment(self.seed, step))
        total = torch.stack([t.weight * v for t, v in zip(terms, values, strict=True)]).sum()
        return total, self.regularization.values

    def _descend(self, loss: Tensor, penalty: Tensor | None, measure: bool) -> Tensor | None:
        """The optimizer's step; the ratio of the gradients if there is a penalty to measure."""
        parameters = list(self.discriminator.parameters())
        pull: tuple[Tensor, ...] | None = None
        if penalty is not None and measure:
            pull = torch.autograd.grad(
                penalty, parameters, retain_graph=True, allow_unused=True, materialize_grads=True
            )
        (loss if penalty is None else loss + penalty).backward()
        ratio = None if pull is None else _ratio(pull, parameters)
        self.d_optimizer.step()
        self.d_optimizer.zero_grad(set_to_none=True)
        return ratio


def _ratio(pull: tuple[Tensor, ...], parameters: list[nn.Parameter]) -> Tensor:
    """|pull| / |whole gradient − pull|."""
    data = [p.grad.double() - g.double() for g, p in zip(pull, parameters, strict=True)
            if p.grad is not None]  # fmt: skip
    both = [nn.utils.get_total_norm([g.double() for g in pull]), nn.utils.get_total_norm(data)]
    return both[0] / both[1]


@contextmanager
def _fixed(network: nn.Module) -> Iterator[None]:
    """No gradient by the network's parameters is computed."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
