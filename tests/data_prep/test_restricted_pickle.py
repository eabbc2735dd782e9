"""Hostile pickles: nothing of them runs, and none costs more than its size deserves."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import pickletools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data_prep.errors import DataError
from data_prep.pairs import read_pairs
from data_prep.restricted_pickle import load

EXECUTED = "arcface_plus_pickle_was_executed"


class Attack:
    """Pickles as a call of `function` with `arguments`."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[object, ...]:
        return self.call


ATTACKS = {
    "os.system": Attack(os.system, f"touch {EXECUTED}"),
    "eval": Attack(eval, f"open('{EXECUTED}', 'w')"),
    "exec": Attack(exec, f"open('{EXECUTED}', 'w')"),
    "Popen": Attack(subprocess.Popen, ["touch", EXECUTED]),
    "open": Attack(open, EXECUTED, "w"),
    "getattr": Attack(getattr, os, "system"),
    "import": Attack(__import__, "os"),
    "numpy.load": Attack(np.load, EXECUTED),
    "numpy.save": Attack(np.save, EXECUTED, [1]),
    "numpy.memmap": Attack(np.memmap, EXECUTED, "u1", "w+", 0, (4,)),
    "unpickle again": Attack(pickle.loads, b"."),
    "read a file": Attack(np.fromfile, "/etc/passwd", "u1"),
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_is_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, protocol: int
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        data = pickle.dumps(([ATTACKS[name], b"x"], [True]), protocol)
    except (TypeError, pickle.PicklingError):  # a module is no value
        data = b"\x80\x02cposix\nsystem\n" + pickle.dumps(f"touch {EXECUTED}", 2)[2:-1] + b"\x85R."
    (tmp_path / "a.bin").write_bytes(data)
    with pytest.raises(DataError, match="refused") as error:
        read_pairs(tmp_path / "a.bin")
    assert not (tmp_path / EXECUTED).exists()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("numpy", "dtype.__init__"),
        ("numpy.core.multiarray", "_reconstruct.__globals__"),
        ("numpy.core.multiarray", "fromfile"),
        ("data_prep.restricted_pickle", "pickle.loads"),
        ("_codecs", "decode"),
        ("builtins", "bytearray"),
        ("evil\nmodule", "x" * 10**6),
        ("", ""),
    ],
)
def test_globals_by_any_name(module: str, name: str) -> None:
    pickler = io.BytesIO(b"\x80\x04")
    pickler.seek(2)
    for text in (module.encode(), name.encode()):
        pickler.write(b"X" + len(text).to_bytes(4, "little") + text)
    pickler.write(b"\x93.")
    with pytest.raises(DataError, match="refused") as error:
        load(pickler.getvalue())
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 300


REFUSED = {
    "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "DICT",
    "EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_SET", "ADDITEMS", "FROZENSET", "FLOAT", "BINFLOAT",
    "NEXT_BUFFER", "READONLY_BUFFER", "DUP", "POP", "POP_MARK",
}  # fmt: skip


@pytest.mark.parametrize("op", pickletools.opcodes, ids=lambda op: op.name)
def test_every_opcode_of_the_machine(op: pickletools.OpcodeInfo) -> None:
    """Alone on an empty stack each is refused by name or fails as a broken pickle does."""
    for tail in (b".", b"\x00" * 20 + b".", b"x\ny\n.", b"1\n."):
        data = b"\x80\x04" + op.code.encode("latin-1") + tail
        if op.name in REFUSED:
            with pytest.raises(DataError, match=f"opcode {op.name} has no place"):
                load(data)
        else:
            with contextlib.suppress(DataError):
                load(data)


def test_build_reaches_nothing_but_arrays_and_types() -> None:
    for target in (
        b"cnumpy\ndtype\n",
        b"cnumpy.core.multiarray\nscalar\n",
        b"cnumpy\nndarray\n",
        b"K\x01",
        b"]",
    ):
        with pytest.raises(DataError):
            load(b"\x80\x02" + target + b"(K\x01K\x02tb.")


def text(value: bytes) -> bytes:
    return b"X" + len(value).to_bytes(4, "little") + value


def array_call(shape: bytes, data: bytes = b"C\x04abcd") -> bytes:
    dtype = b"cnumpy\ndtype\n" + text(b"u1") + b"\x85R"
    return b"cnumpy.core.numeric\n_frombuffer\n(" + data + dtype + shape + text(b"C") + b"tR"


MEGABYTE = b"B" + (1 << 20).to_bytes(4, "little") + bytes(1 << 20) + b"q\x01"
DTYPE = b"cnumpy\ndtype\n" + text(b"u1") + b"\x85Rq\x02"
LONG_LIST = b"](" + b"N" * (1 << 20) + b"eq\x03"
MANY = 100_000
BOMBS = {
    "memo index": b"Nr\xff\xff\xff\xff",
    "memo index as text": b"Np99999999999\n",
    "negative memo index": b"Np-3\n",
    "bytes of 2^62": b"\x8e" + (1 << 62).to_bytes(8, "little") + b"x",
    "bytearray of 2^62": b"\x96" + (1 << 62).to_bytes(8, "little") + b"x",
    "text of 2^62": b"\x8d" + (1 << 62).to_bytes(8, "little") + b"x",
    "bytes of 4 GiB": b"B\xff\xff\xff\xffx",
    "string of -1": b"T\xff\xff\xff\xffx",
    "string of 2 GiB": b"T\xff\xff\xff\x7fx",
    "number of 2 GiB": b"\x8b\xff\xff\xff\x7fx",
    "number of a million digits": b"L" + b"9" * 10**6 + b"L\n",
    "int of a million digits": b"I" + b"9" * 10**6 + b"\n",
    "frame of 2^62": b"\x95" + (1 << 62).to_bytes(8, "little") + b"N",
    "doubling tuple": b"N" + b"".join(b"q%ch%c\x86" % (k, k) for k in range(200)) + b"\x85",
    "lists": b"(" + b"]" * 1_000_000 + b"t",
    "nested tuples": b"N" + b"\x85" * 1_000_000,
    "marks": b"(" * 1_000_000,
    "nothing, millions of times": b"(" + b"N" * 1_000_000 + b"t",
    "shape of 2^80": array_call(b"\x8a\x06\x00\x00\x00\x00\x00\x01" * 2 + b"\x86"),
    "shape of 10^18": array_call(b"\x8a\x08" + (10**18).to_bytes(8, "little") + b"\x85"),
    "empty shape": array_call(b")"),
    "zero times 2^60": array_call(b"K\x00\x8a\x08" + (1 << 60).to_bytes(8, "little") + b"\x86"),
    "negative shape": array_call(b"J\xff\xff\xff\xffJ\xfc\xff\xff\xff\x86"),
    "shape of a million": array_call(b"(" + b"K\x01" * 10**6 + b"t"),
    "text encoded again and again": text(bytes(1 << 20)) + b"q\x01c_codecs\nencode\nq\x02]("
    + b"h\x02h\x01\x85R" * MANY + b"e",
    "one type named by a long text": text(bytes(1 << 20)) + b"q\x01cnumpy\ndtype\nq\x02]("
    + b"h\x02h\x01\x85R" * MANY + b"e",
    "one long shape again and again": MEGABYTE + DTYPE + LONG_LIST
    + b"cnumpy.core.numeric\n_frombuffer\nq\x04](" + b"h\x04(h\x01h\x02h\x03tR" * MANY + b"e",
    "a call with a million arguments": b"(" + b"N" * (1 << 20) + b"tq\x03"
    + b"c__builtin__\nbytes\nq\x04](" + b"h\x04h\x03R" * MANY + b"e",
}  # fmt: skip

#: Honest in form, large in what a careless reader would make of it: read, at small cost.
SOME = MANY // 4  # pairs: of a megabyte each, under the 64 GiB that a pair file may stand for
CHEAP = {
    "one image a million times": b"](" + MEGABYTE + b"h\x01" * (2 * SOME - 1) + b"e]("
    + b"\x88" * SOME + b"e\x86",
    "one bytearray a million times": b"](" + MEGABYTE.replace(b"B\x00\x00\x10\x00",
    b"\x96\x00\x00\x10\x00\x00\x00\x00\x00") + b"h\x01" * (2 * SOME - 1) + b"e](" + b"\x88" * SOME
    + b"e\x86",
    "one buffer seen by many arrays": MEGABYTE + DTYPE + b"\x8a\x03\x00\x00\x10\x85q\x03"
    + b"cnumpy.core.numeric\n_frombuffer\nq\x04](" + b"h\x04(h\x01h\x02h\x03NtR" * (2 * SOME)
    + b"eq\x05](" + b"\x88" * SOME + b"eq\x06h\x05h\x06\x86",
}  # fmt: skip

READ_ALL = """
import resource, sys, time
from pathlib import Path
from data_prep.errors import DataError
from data_prep.pairs import read_pairs
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (600 << 20),) * 2)
for path in sorted(Path(sys.argv[1]).iterdir()):
    start = time.process_time()
    try:
        outcome = f"read {len(read_pairs(path)[1])}"
    except DataError as error:
        outcome = "refused"
        assert "\\n" not in str(error) and len(str(error)) < 500, error
    print(path.stem, outcome, f"{time.process_time() - start:.2f}", sep="\\t")
"""


def test_bombs_cost_neither_memory_nor_time(tmp_path: Path) -> None:
    for name, body in (BOMBS | CHEAP).items():
        (tmp_path / f"{name}.bin").write_bytes(b"\x80\x05" + body + b".")
    run = subprocess.run(
        [sys.executable, "-c", READ_ALL, str(tmp_path)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    outcomes = dict(line.split("\t")[:2] for line in run.stdout.splitlines())
    seconds = {line.split("\t")[0]: float(line.split("\t")[2]) for line in run.stdout.splitlines()}
    assert run.returncode == 0, (outcomes, run.stderr)
    expected = dict.fromkeys(BOMBS, "refused") | dict.fromkeys(CHEAP, f"read {SOME}")
    assert outcomes == expected
    assert max(seconds.values()) < 10, seconds
