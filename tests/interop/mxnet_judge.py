"""What the real MXNet writes and reads. Run by its own environment's Python, never imported.

python mxnet_judge.py write-sets DIR    sets of records with manifest.json in DIR
python mxnet_judge.py write-bins DIR    pair files pickled with NumPy 1.23
python mxnet_judge.py read-set REC      every record, as MXNet reads it, as JSON
python mxnet_judge.py read-insightface REC   images and class ranges, as InsightFace reads them
python mxnet_judge.py read-bin BIN      pairs, as InsightFace reads and decodes them
"""

import hashlib
import json
import pickle
import random
import struct
import sys
from pathlib import Path

import mxnet as mx
import numpy as np

MAGIC = struct.pack("<I", 0xCED7230A)


def digest(data):
    return hashlib.sha256(data).hexdigest()


def images(count):
    """Byte strings of all lengths modulo 4, with and without aligned magics in every place."""
    source = random.Random(0)
    pieces = [b"", MAGIC, b"head", b"odd", MAGIC * 2, b"x" + MAGIC, b"y" * 70000]
    for k in range(count):
        body = b"".join(source.choice(pieces) for _ in range(source.randrange(6)))
        yield body + bytes(source.randrange(256) for _ in range(k % 9))


def open_record(path, mode):
    return mx.recordio.MXIndexedRecordIO(str(path.with_suffix(".idx")), str(path), mode)


def write_sets(folder):
    for vector in (False, True):
        for record_0 in (False, True):
            name = ("vector" if vector else "scalar") + ("_record_0" if record_0 else "")
            target = folder / name / "train.rec"
            target.parent.mkdir(parents=True)
            write_set(target, vector, record_0)


def write_set(path, vector, record_0, per_class=5, classes=8):
    writer = open_record(path, "w")
    manifest = {"images": {}, "others": {}}
    count, first = per_class * classes, int(record_0)

    def write(key, label, image):
        header = mx.recordio.IRHeader(0, label, key, 0)
        writer.write_idx(key, mx.recordio.pack(header, image))

    if record_0:
        write(0, [float(count + 1), float(count + 1 + classes)], b"")
        manifest["others"]["0"] = [count + 1, count + 1 + classes]
    for k, image in enumerate(images(count)):
        label = float(k // per_class)
        write(first + k, [label, 1.0] if vector else label, image)
        manifest["images"][str(first + k)] = [[label, 1.0] if vector else label, digest(image)]
    if record_0:
        for c in range(classes):
            bounds = [1 + c * per_class, 1 + (c + 1) * per_class]
            write(count + 1 + c, [float(bound) for bound in bounds], b"")
            manifest["others"][str(count + 1 + c)] = bounds
        (path.parent / "property").write_text(f"{classes},112,112")
    writer.close()
    (path.parent / "manifest.json").write_text(json.dumps(manifest))


def write_bins(folder):
    rows = [np.frombuffer(b"\xff\xd8image %d" % k, np.uint8) for k in range(6)]
    truths = {
        "bools": [True, False, True],
        "numpy_bools": [np.bool_(True), np.bool_(False), np.bool_(True)],
        "array": np.array([True, False, True]),
        "integers": np.array([1, 0, 1]),
    }
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        for name, truth in truths.items():
            for kind, bins in (("arrays", rows), ("bytes", [row.tobytes() for row in rows])):
                path = folder / f"{kind}_{name}_{protocol}.bin"
                path.write_bytes(pickle.dumps((bins, truth), protocol))


def plain(label):
    return label.tolist() if isinstance(label, np.ndarray) else float(label)


def read_set(path):
    reader = open_record(path, "r")
    records = {}
    for key in reader.keys:
        header, image = mx.recordio.unpack(reader.read_idx(key))
        records[key] = [plain(header.label), digest(image), header.id]
    return records


def read_insightface(path):
    """The steps of InsightFace's data set: record 0, then images, then one range a class."""
    reader = open_record(path, "r")
    header, _ = mx.recordio.unpack(reader.read_idx(0))
    if header.flag == 0:
        keys, ranges = list(reader.keys), []
    else:
        first, end = int(header.label[0]), int(header.label[1])
        keys, ranges = range(1, first), []
        for key in range(first, end):
            bounds, _ = mx.recordio.unpack(reader.read_idx(key))
            ranges.append([int(bounds.label[0]), int(bounds.label[1])])
    labels, digests, shapes = [], [], set()
    for key in keys:
        header, image = mx.recordio.unpack(reader.read_idx(key))
        labels.append(int(header.label if header.flag == 0 else header.label[0]))
        digests.append(digest(image))
        if len(digests) <= 8:
            shapes.add(mx.image.imdecode(image).shape)
    return {"labels": labels, "digests": digests, "ranges": ranges, "shapes": sorted(shapes)}


def read_bin(path):
    with open(path, "rb") as file:
        bins, issame = pickle.load(file, encoding="bytes")
    decoded = [mx.image.imdecode(image) for image in bins]
    return {
        "digests": [digest(bytes(image)) for image in bins],
        "same": [bool(flag) for flag in issame],
        "shapes": [list(image.shape) for image in decoded],
        "means": [image.asnumpy().reshape(-1, 3).mean(axis=0).tolist() for image in decoded],
    }


COMMANDS = {
    "write-sets": write_sets,
    "write-bins": write_bins,
    "read-set": read_set,
    "read-insightface": read_insightface,
    "read-bin": read_bin,
}

if __name__ == "__main__":
    print(json.dumps(COMMANDS[sys.argv[1]](Path(sys.argv[2]))))
