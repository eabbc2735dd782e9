"""The generator's layers, counted and computed by hand."""

from __future__ import annotations

import torch
from torch.nn.functional import batch_norm, conv2d, conv_transpose2d

from arcface_plus.gan.generator import Generator


def test_parameters_of_the_papers_network():
    with torch.device("meta"):
        network = Generator()
    dense = 128 * 4 * 4 * 512 + 2 * 4 * 4 * 512
    growing = sum(a * b * 16 + 2 * b for a, b in ((512, 256), (256, 128), (128, 64)))
    assert sum(p.numel() for p in network.parameters()) == dense + growing + 64 * 3 * 9 + 3


def test_every_layer_is_the_papers():
    torch.manual_seed(1)
    network = Generator(latent_dim=6, width=0.05).eval().double()
    for buffer in network.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    z = torch.randn(3, 6, dtype=torch.float64)

    def norm(x, layer):
        return batch_norm(x, layer.running_mean, layer.running_var, layer.weight, layer.bias,
                          eps=2e-5).relu()  # fmt: skip

    x = norm(z @ network.dense.weight.T, network.dense_norm[0]).reshape(3, -1, 4, 4)
    for k in (0, 3, 6):
        x = norm(conv_transpose2d(x, network.growing[k].weight, stride=2, padding=1),
                 network.growing[k + 1])  # fmt: skip
    x = torch.tanh(conv2d(x, network.last.weight, network.last.bias, padding=1))
    assert x.shape == (3, 3, 32, 32)
    torch.testing.assert_close(network(z), x, rtol=0, atol=1e-12)
    assert len(network.growing) == 9
