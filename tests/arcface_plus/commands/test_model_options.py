"""--mean, --scale, --bgr on the command line, and that a guess is said aloud."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from command_line import arcface_plus
from onnx import TensorProto, helper

from arcface_plus.commands.evaluate import verify
from arcface_plus.commands.model_options import comma_separated, line_printer, load
from arcface_plus.embedder.feeding import Feeding


@pytest.fixture(scope="module")
def silent(tmp_path_factory):
    """An ONNX file that does not say how it is fed: 16×16 mean colours, flattened."""
    pool = helper.make_node("AveragePool", ["x"], ["p"], kernel_shape=[7, 7], strides=[7, 7])
    graph = helper.make_graph(
        [pool, helper.make_node("Flatten", ["p"], ["e"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", 3, 112, 112))],
        [helper.make_tensor_value_info("e", TensorProto.FLOAT, None)],
    )
    path = tmp_path_factory.mktemp("onnx") / "silent.onnx"
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path
    )
    return path


def test_a_guess_is_said_aloud_and_a_choice_is_not(silent, capsys):
    load(silent, "cpu", None, None, None)
    said = " ".join(capsys.readouterr().err.split())
    assert "silent.onnx: the file does not state its input format; assuming input RGB, (x" in said
    assert load(silent, "cpu", 0.0, 1.0, True).feeding == Feeding(0.0, 1.0, "BGR")
    assert load(silent, "cpu", None, None, False).feeding == Feeding()
    assert capsys.readouterr().err == ""


def test_verify_feeds_as_it_is_told(silent, synthetic, tmp_path):
    def norm(**options):
        verify(silent, synthetic, "synth_age", tmp_path / "v.json", device="cpu", **options)
        return json.loads((tmp_path / "v.json").read_text())["targets"]["synth_age"]

    usual, raw = norm()["embedding_norm_mean"], norm(mean=0.0, scale=1.0)["embedding_norm_mean"]
    assert raw > 50 * usual
    doubled = norm(scale=127.5 / 2)["embedding_norm_mean"]
    assert doubled == pytest.approx(2 * usual, rel=1e-5)
    images = np.zeros((1, 112, 112, 3), np.uint8)
    images[..., 0] = 255
    first = load(silent, "cpu", 0.0, 255.0, True)(images)[0]
    assert first.reshape(3, -1).mean(1).tolist() == [0, 0, 1]


def test_other_sizes_are_said_aloud(tmp_path, capsys):
    pool = helper.make_node("GlobalAveragePool", ["x"], ["p"])
    graph = helper.make_graph(
        [pool, helper.make_node("Flatten", ["p"], ["e"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("n", 3, 160, 160))],
        [helper.make_tensor_value_info("e", TensorProto.FLOAT, None)],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "m.onnx")
    load(tmp_path / "m.onnx", "cpu", 127.5, 128.0, None)
    said = " ".join(capsys.readouterr().err.split())
    assert said.endswith("takes 160×160 images; resizing the 112×112 crops to that size")


def test_lists_are_separated_by_commas():
    assert comma_separated(" a,b , ,c.bin") == ["a", "b", "c.bin"]
    assert comma_separated("") == []


def test_lines_make_way_for_what_goes_to_standard_output(capsys):
    line_printer(None, Path("a.json"))("one")
    line_printer(None, Path("-"))("two")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("one\n", "two\n")


@pytest.mark.parametrize(
    "words", [("embed",), ("match",), ("eval", "verify"), ("eval", "identify")]
)
def test_devices_are_shown_as_choices_and_short_options_agree(words, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    shown = arcface_plus(capsys, *words, "-h").out
    assert "auto|cpu|cuda|cuda:N" in shown
    assert re.search(r"--ckpt +-c ", shown)
    for long, short in (("--json", "-j"), ("--batch-size", "-b"), ("--out", "-o")):
        assert (f"{long} " in shown) == bool(re.search(rf"{long} +{short} ", shown))
