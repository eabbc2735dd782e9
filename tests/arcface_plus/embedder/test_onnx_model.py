"""How an ONNX file wants its pixels: by metadata, by its first operations, by the user's word.

The graphs end in the mean over all pixels, so that the "embedding" tells what came in.
"""

from __future__ import annotations

import builtins
import contextlib

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from arcface_plus.embedder.feeding import Feeding, FeedingOptions
from arcface_plus.embedder.load import load_embedder
from data_prep.errors import DataError, UserError

PIXEL = np.array([200, 100, 10], np.uint8)  # red, green, blue


@pytest.fixture
def images():
    return np.tile(PIXEL, (2, 112, 112, 1))


def model(path, steps, metadata=None, kind=TensorProto.FLOAT, shape=("n", 3, 112, 112)):
    """input → steps of (operator, constant or attributes) → mean over pixels → (n, 3)."""
    nodes, constants, at = [], [], "images"
    for number, (operator, value) in enumerate(steps):
        inputs, attributes = [at], {}
        if isinstance(value, dict):
            attributes = value
        elif value is not None:
            name = f"c{number}"
            constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
            inputs.append(name)
        at = f"t{number}"
        nodes.append(helper.make_node(operator, inputs, [at], name=f"x{number}", **attributes))
    nodes.append(helper.make_node("GlobalAveragePool", [at], ["pooled"]))
    nodes.append(helper.make_node("Flatten", ["pooled"], ["embedding"]))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("images", kind, shape)],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, None)],
        constants,
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    helper.set_model_props(made, metadata or {})
    onnx.save(made, path)
    return path


def test_without_a_word_the_usual_feeding_and_a_doubt(images, tmp_path):
    embedder = load_embedder(model(tmp_path / "m.onnx", [("Identity", None)]))
    assert embedder(images) == pytest.approx(np.tile((PIXEL - 127.5) / 127.5, (2, 1)), abs=1e-4)
    assert embedder.feeding == Feeding()
    assert embedder.doubt == "the file does not state its input format"


def test_metadata_is_obeyed(images, tmp_path):
    said = {"channel_order": "BGR", "mean": "100", "scale": "2.5"}
    embedder = load_embedder(model(tmp_path / "m.onnx", [("Identity", None)], said))
    assert embedder(images)[0] == pytest.approx((PIXEL[::-1] - 100.0) / 2.5, abs=1e-4)
    assert embedder.doubt == ""


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"mean": "127,5", "scale": "1"}, "127,5"),
        ({"mean": "0", "scale": "0"}, "not 0.0"),
        ({"mean": "0", "scale": "1", "channel_order": "RBG"}, "'RBG'"),
    ],
)
def test_metadata_that_is_nonsense_is_named(tmp_path, said, words):
    with pytest.raises(
        DataError, match=r"m\.onnx: its metadata has an invalid input format"
    ) as caught:
        load_embedder(model(tmp_path / "m.onnx", [("Identity", None)], said))
    assert words in str(caught.value)


SUB = ("Sub", [127.5])
PER_CHANNEL = np.array([123.7, 116.3, 103.5]).reshape(1, 3, 1, 1)


@pytest.mark.parametrize(
    ("steps", "feeding"),
    [
        ([SUB, ("Mul", [0.0078125])], Feeding(0.0, 1.0)),  # InsightFace's MXNet models
        ([("Cast", {"to": 1}), SUB, ("Div", [128.0])], Feeding(0.0, 1.0)),
        ([("Sub", PER_CHANNEL), ("Mul", 1 / 58.0)], Feeding(0.0, 1.0)),
        ([("Div", [255.0]), ("Sub", [0.5]), ("Div", [0.5])], Feeding(0.0, 1.0)),
        ([("Add", [-127.5]), ("Mul", [0.0078125])], Feeding(0.0, 1.0)),
        ([("Sub", [0.5]), ("Div", [0.5])], Feeding(0.0, 255.0)),  # wants pixels from 0 to 1
        ([SUB], Feeding()),  # one alone is no normalization
        ([("Relu", None), SUB, ("Mul", [0.0078125])], Feeding()),  # not at the beginning
    ],
)
def test_a_graph_that_normalizes_by_itself(images, tmp_path, steps, feeding):
    embedder = load_embedder(model(tmp_path / "m.onnx", steps))
    assert embedder.feeding == feeding
    assert embedder.doubt
    if feeding != Feeding():
        assert embedder(images)[0, 0] > embedder(images)[0, 2]  # RGB
        assert np.abs(embedder(images)).max() < 3


def test_constants_may_be_nodes(images, tmp_path):
    path = model(tmp_path / "m.onnx", [SUB, ("Mul", [0.0078125])])
    loaded = onnx.load(path)
    for tensor in list(loaded.graph.initializer):
        node = helper.make_node("Constant", [], [tensor.name], value=tensor)
        loaded.graph.node.insert(0, node)
        loaded.graph.initializer.remove(tensor)
    onnx.save(loaded, path)
    assert load_embedder(path).feeding == Feeding(0.0, 1.0)


def test_the_users_word_goes_over_all_of_it(images, tmp_path):
    path = model(tmp_path / "m.onnx", [SUB, ("Mul", [1 / 127.5])])
    embedder = load_embedder(path, "cpu", FeedingOptions(channel_order="BGR"))
    assert embedder.feeding == Feeding(0.0, 1.0, "BGR")
    assert embedder(images)[0] == pytest.approx((PIXEL[::-1] - 127.5) / 127.5, abs=1e-4)
    assert embedder.doubt == ""


def test_bytes_are_fed_as_bytes(images, tmp_path):
    steps = [("Cast", {"to": 1}), ("Mul", [0.01])]
    embedder = load_embedder(model(tmp_path / "m.onnx", steps, kind=TensorProto.UINT8))
    assert embedder(images)[1] == pytest.approx(PIXEL / 100, abs=1e-4)


def test_half_precision_input(images, tmp_path):
    steps = [("Cast", {"to": 1})]
    embedder = load_embedder(model(tmp_path / "m.onnx", steps, kind=TensorProto.FLOAT16))
    assert embedder(images)[1] == pytest.approx((PIXEL - 127.5) / 127.5, abs=1e-3)


def test_the_onnx_package_may_be_missing(images, tmp_path, monkeypatch):
    path = model(tmp_path / "m.onnx", [SUB, ("Mul", [0.0078125])])
    real = builtins.__import__

    def without_onnx(name, *rest):
        if name == "onnx":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_onnx)
    embedder = load_embedder(path)
    assert embedder.feeding == Feeding()
    assert "arcface-plus[onnx]" in embedder.doubt


def test_other_inputs_and_outputs_are_named(images, tmp_path):
    path = tmp_path / "m.onnx"
    identity = [("Identity", None)]
    for shape in (("n", 3, 112), ("n", 3, 112, 96), ("n", 4, 112, 112), ("n", 3, 8, 8)):
        with pytest.raises(DataError, match=r"expected one input of square images .*found"):
            load_embedder(model(path, identity[:1] if len(shape) == 4 else [], shape=shape))
    with pytest.raises(DataError, match="takes batches of 100000"):
        load_embedder(model(path, identity, shape=(100_000, 3, 112, 112)))
    with pytest.raises(DataError, match=r"its input is tensor\(int32\)"):
        load_embedder(model(path, [("Cast", {"to": 1})], kind=TensorProto.INT32))
    said = {"mean": "0", "scale": "1"}
    one = load_embedder(model(path, [("ReduceMean", {"keepdims": 1}), *identity], said))
    with pytest.raises(UserError, match=r"m.onnx: its output for 2 images is \(1, 1\)"):
        one(images)


@pytest.mark.parametrize("attribute", ["value_float", "value_floats", "value_int", "value_ints"])
def test_constants_may_be_plain_numbers(images, tmp_path, attribute):
    """By the ONNX specification a Constant has one of several attributes, `value` is but one."""
    path = model(tmp_path / "m.onnx", [SUB, ("Mul", [0.0078125])])
    loaded = onnx.load(path)
    number = 2 if "int" in attribute else 2.0
    value = [number] if attribute.endswith("s") else number
    loaded.graph.node.insert(0, helper.make_node("Constant", [], ["unused"], **{attribute: value}))
    mean = next(t for t in loaded.graph.initializer if t.name == "c0")
    if "float" in attribute:
        loaded.graph.initializer.remove(mean)
        shown = [127.5] if attribute.endswith("s") else 127.5
        node = helper.make_node("Constant", [], ["c0"], **{attribute: shown})
        loaded.graph.node.insert(0, node)
    onnx.save(loaded, path)
    embedder = load_embedder(path)
    assert embedder.feeding == Feeding(0.0, 1.0)
    assert embedder(images)[0] == pytest.approx((PIXEL - 127.5) * 0.0078125, abs=1e-4)


@pytest.mark.parametrize("side", [64, 160])
def test_other_input_sizes_are_met_by_resizing(images, tmp_path, side):
    path = model(tmp_path / "m.onnx", [("Identity", None)], shape=("n", 3, side, side))
    embedder = load_embedder(path)
    assert embedder.feeding.side == side
    assert embedder(images) == pytest.approx(np.tile((PIXEL - 127.5) / 127.5, (2, 1)), abs=1e-4)


@pytest.mark.parametrize("side", [112, 160])
def test_channels_last_are_fed_as_the_file_says(images, tmp_path, side):
    to_nchw = [("Transpose", {"perm": [0, 3, 1, 2]})]
    path = model(tmp_path / "m.onnx", to_nchw, shape=("n", side, side, 3))
    embedder = load_embedder(path)
    assert embedder(images) == pytest.approx(np.tile((PIXEL - 127.5) / 127.5, (2, 1)), abs=1e-4)
    assert (embedder.feeding.side, embedder.feeding.channel_order) == (side, "RGB")


def test_lying_constants_and_flipped_bytes_are_refused(tmp_path):
    path = model(tmp_path / "m.onnx", [SUB, ("Mul", [0.0078125])])
    whole = path.read_bytes()
    loaded = onnx.load(path)
    loaded.graph.initializer[0].dims[:] = [1 << 40]
    onnx.save(loaded, path)
    with pytest.raises(DataError, match=r"m\.onnx: not a readable ONNX model"):
        load_embedder(path)
    for at in range(0, len(whole), 7):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with contextlib.suppress(DataError):
            load_embedder(path)


def test_a_fixed_batch_is_filled_up(images, tmp_path):
    path = model(tmp_path / "m.onnx", [("Identity", None)], shape=(2, 3, 112, 112))
    three = np.concatenate([images, images[:1]])
    assert load_embedder(path)(three).shape == (3, 3)
