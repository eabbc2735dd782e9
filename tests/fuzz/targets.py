"""What the fuzzer feeds: a target makes the files of one input and has the readers read them."""

from __future__ import annotations

import io
import random
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "helpers"))
import labelled_files
from mutations import MAGIC, bin_seeds, image, image_seeds, mutate, random_pickle

from data_prep.check import check
from data_prep.errors import UserError
from data_prep.image_damage import damage
from data_prep.image_lists import list_file
from data_prep.images import decode_rgb
from data_prep.inspect.inspect import inspect
from data_prep.inspect.text import describe
from data_prep.labelled_images import KINDS, open_labelled_images
from data_prep.pack import pack
from data_prep.pair_lists import read_pair_list
from data_prep.pairs import read_pairs, write_pairs
from data_prep.recordio import RecordReader, RecordWriter
from data_prep.repair import repair
from data_prep.training_set import TrainingSetWriter, read_index


class Target:
    """A named kind of input: `make(rng)` → files by name, `use(folder)` → runs the readers."""

    def __init__(
        self,
        name: str,
        make: Callable[[random.Random], dict[str, bytes]],
        use: Callable[[Path], object],
        weight: int,
    ) -> None:
        self.name, self.make, self.use, self.weight = name, make, use, weight


def honest_files() -> dict[str, dict[str, bytes]]:
    """Small sets written by ourselves, by name of the set."""
    sets = {}
    faces = [image(".jpg", 112), image(".jpg", 20), b"split" + bytes(3) + MAGIC + b"tail"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with TrainingSetWriter(folder) as writer:
            for label in range(3):
                for face in faces[: label + 1]:
                    writer.add(label, face)
        sets["insightface"] = {p.name: p.read_bytes() for p in folder.iterdir()}
        sets["insightface"]["labels.json"] = b'{"0": "a", "1": "b", "2": "c"}'
        with RecordWriter(folder / "train.rec") as records:
            for key in range(5):
                records.write(key, faces[key % 3], [float(key), 1.0] if key % 2 else float(key))
        sets["im2rec"] = {n: (folder / n).read_bytes() for n in ("train.rec", "train.idx")}
        write_pairs(folder / "lfw.bin", [faces[0], faces[1]] * 4, [True] * 4)
        with tarfile.open(folder / "0.tar", "w", format=tarfile.PAX_FORMAT) as tar:
            for key in range(5):
                parts = ((f"{key}Ö.jpg", faces[key % 3]), (f"{key}Ö.cls", b"%d" % (key // 2)))
                for member, data in parts:
                    info = tarfile.TarInfo(member)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
        sets["shards"] = {"0.tar": (folder / "0.tar").read_bytes()}
        sets["pairs"] = {"lfw.bin": (folder / "lfw.bin").read_bytes()}
    return sets


def labelled_sets() -> list[dict[str, bytes]]:
    """A small classification data set of each kind: path of a file → its content."""
    sets = []
    with tempfile.TemporaryDirectory() as name:
        for k, write in enumerate(
            (
                lambda folder: labelled_files.write_mnist(folder, 3, 2),
                lambda folder: labelled_files.write_mnist(folder, 3, 2, packed=False),
                lambda folder: labelled_files.write_pickles(
                    folder, labelled_files.cifar_10_batches(1)
                ),
                lambda folder: labelled_files.write_pickles(
                    folder, labelled_files.cifar_100_batches(2, 1), python_2=False
                ),
                lambda folder: labelled_files.write_cifar_10_binary(folder, 1),
                lambda folder: labelled_files.write_cifar_100_binary(folder, 2, 1),
                lambda folder: labelled_files.write_tiny_imagenet(folder, 2, 1, 1),
                lambda folder: labelled_files.write_class_folders(folder, ["a", "b"], 1, 1),
            )
        ):
            folder = Path(name) / str(k)
            write(folder)
            files = [path for path in folder.rglob("*") if path.is_file()]
            sets.append({path.relative_to(folder).as_posix(): path.read_bytes() for path in files})
    return sets


def targets() -> list[Target]:
    sets, labelled = honest_files(), labelled_sets()
    images, bins = image_seeds(), bin_seeds()
    lists = [
        b"i/0.jpg\t0\ni/1.jpg\t0\ni/2.jpg\t1\n", b"path,label\n\"i/0.jpg\",anna\ni/1.jpg,bob\n",
        b"i/0.jpg 1\ni/1.jpg 0\n\ni/0.jpg 1\n", "\ufeffi/0.jpg;Öl\n".encode(),
        b"10\t1\n" + b"".join(b"a\t1\t2\na\t1\tb\t2\n" for _ in range(10)),
        b"a,b,same,fold\n"
        + b"".join(b"i/0.jpg,i/1.jpg,%d,%d\n" % (k % 2, k // 2) for k in range(20)),
        b"i/0.jpg i/1.jpg 1\ni/0.jpg i/2.jpg 0\n" * 10,
        b"0\t1.000000\ti/1.jpg\n1\t0.000000\t0.5\ti/0.jpg\n", b"1\ti/0.jpg\t12\n1\ti/1.jpg\t3\n",
    ]  # fmt: skip

    def one_of_set(kinds: tuple[str, ...]) -> Callable[[random.Random], dict[str, bytes]]:
        def make(rng: random.Random) -> dict[str, bytes]:
            files = dict(sets[rng.choice(("insightface", "im2rec"))])
            names = [name for name in files if name.endswith(kinds)] or ["train.idx"]
            for name in {rng.choice(names), rng.choice(names)}:
                files[name] = mutate(files[name], list(files.values()), rng)
            return files

        return make

    def make_shard(rng: random.Random) -> dict[str, bytes]:
        """Sums of headers are made right again, or no mutation came further than to them."""
        honest = sets["shards"]["0.tar"]
        shard = bytearray(mutate(honest, [honest], rng))
        for at in range(0, len(shard) - 511, 512):
            if shard[at + 257 : at + 262] == b"ustar":
                shard[at + 148 : at + 156] = b"        "
                shard[at + 148 : at + 156] = b"%06o\0 " % sum(shard[at : at + 512])
        return {"0.tar": bytes(shard)}

    def make_bin(rng: random.Random) -> dict[str, bytes]:
        if rng.random() < 0.3:
            return {"x.bin": random_pickle(rng)}
        return {"x.bin": mutate(rng.choice(bins), bins, rng)}

    def make_image(rng: random.Random) -> dict[str, bytes]:
        return {"x": mutate(rng.choice(images), images, rng)}

    def make_list(rng: random.Random) -> dict[str, bytes]:
        text = mutate(rng.choice(lists), lists, rng)
        return {"list.txt": text, "list.lst": text}

    def make_folder(rng: random.Random) -> dict[str, bytes]:
        return {
            f"{rng.choice('abc')}_{k}{rng.choice(('.jpg', '.png', '.bmp'))}": mutate(
                rng.choice(images), images, rng
            )
            for k in range(3)
        }

    def make_labelled(rng: random.Random) -> dict[str, bytes]:
        files = dict(rng.choice(labelled))
        for name in rng.sample(sorted(files), min(2, len(files))):
            if name.endswith("batch_1") and rng.random() < 0.2:
                files[name] = random_pickle(rng)
            files[name] = mutate(files[name], list(files.values()), rng)
        return files

    with_index = (".rec", ".idx")
    return [
        Target("idx", one_of_set((".idx",)), use_records, 4),
        Target("rec", one_of_set((".rec",)), use_records, 4),
        Target("set", one_of_set((*with_index, "property", ".json")), use_set, 1),
        Target("shards", make_shard, use_set, 2),
        Target("bin", make_bin, use_bin, 8),
        Target("image", make_image, use_image, 8),
        Target("list", make_list, use_list, 4),
        Target("folder", make_folder, use_folder, 1),
        Target("labelled", make_labelled, use_labelled, 3),
    ]


def attempt(call: Callable[[], object]) -> None:
    """Our own errors are a fine answer; they must be one line that is not too long."""
    try:
        call()
    except UserError as error:
        text = str(error)
        assert "\n" not in text, f"an error of several lines: {text!r}"
        assert 0 < len(text) < 2000, f"an error of {len(text)} characters"


def use_records(folder: Path) -> None:
    def read_all() -> None:
        with RecordReader(folder / "train.rec") as reader:
            for key in reader.keys[:30].tolist():
                attempt(lambda key=key: reader[key])
            attempt(lambda: reader.first_labels(reader.keys))
            attempt(lambda: read_index(reader))

    attempt(read_all)


def use_set(folder: Path) -> None:
    attempt(lambda: describe(inspect(folder)))

    def check_and_repair() -> None:
        report = check(folder, threads=1)
        if len(report.images) < 1000:
            repair(report, folder / "mended")
            again = check(folder / "mended", threads=1)
            assert again.ok, f"a repaired set is not sound: {again.findings[:3]}"

    attempt(check_and_repair)


def use_bin(folder: Path) -> None:
    def read() -> None:
        images, same = read_pairs(folder / "x.bin")
        assert len(images) == 2 * len(same)
        assert all(type(image) is bytes for image in images)
        assert same.dtype == bool

    attempt(read)


def use_image(folder: Path) -> None:
    data = (folder / "x").read_bytes()
    reason = damage(data)
    if reason is None:
        pixels = decode_rgb(data)
        assert pixels.ndim == 3
        assert pixels.dtype == np.uint8
    else:
        assert "\n" not in reason


def use_list(folder: Path) -> None:
    def walk(name: str) -> None:
        listed = list_file(folder / name)
        found = list(listed.images())
        assert len(found) == listed.total
        assert [image.label for image in found] == sorted(image.label for image in found)

    attempt(lambda: walk("list.txt"))
    attempt(lambda: walk("list.lst"))
    attempt(lambda: read_pair_list(folder / "list.txt"))


def use_folder(folder: Path) -> None:
    source = folder / "source"
    for file in list(folder.iterdir()):
        (source / file.name[0]).mkdir(parents=True, exist_ok=True)
        file.rename(source / file.name[0] / file.name)
    attempt(lambda: check(source, threads=1))
    attempt(lambda: pack(source, folder / "set", threads=1))


def use_labelled(folder: Path) -> None:
    def read(split: str) -> None:
        images = open_labelled_images(folder, split)
        assert len(images) == len(images.labels)
        assert images.labels.min() >= 0
        assert images.labels.max() < images.classes
        attempt(images.digest)
        attempt(images.fingerprint)
        for i in range(len(images)):
            attempt(lambda i=i: images.batch(np.array([i])))

    assert any(kind.matches(folder) for kind in KINDS)
    for split in ("train", "test"):
        attempt(lambda split=split: read(split))
