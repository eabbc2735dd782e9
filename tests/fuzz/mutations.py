"""Honest inputs of every kind, and the changes that the fuzzer makes to them."""

from __future__ import annotations

import pickle
import pickletools
import random
import struct

import cv2
import numpy as np

MAGIC = struct.pack("<I", 0xCED7230A)
NUMBERS = [0, 1, 2, 3, 4, 7, 8, 24, 127, 128, 255, 256, 1 << 15, (1 << 16) - 1, 1 << 24,
           (1 << 29) - 1, 1 << 29, 3 << 29, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, 1 << 40,
           1 << 62, (1 << 63) - 1, (1 << 64) - 1]  # fmt: skip
WORDS = [b"\n", b"\t", b",", b" ", b"-1", b"0", b"9" * 19, b"9" * 400, b"1e9", b"nan", b"\x00",
         b"\xff\xd8", b"\xff\xd9", b"\xff\xda", MAGIC, b"../", b"/", b'"', b"\xef\xbb\xbf", b"\r",
         b"cos\nsystem\n", b"R", b"b", b".", b"q\x00", b"h\x00", b"(", b"t"]  # fmt: skip


def image(suffix: str, side: int = 24, flags: tuple[int, ...] = ()) -> bytes:
    pixels = np.random.default_rng(side).integers(0, 256, (5, 5, 3), np.uint8)
    smooth = cv2.resize(pixels, (side, side), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(suffix, smooth, flags)[1].tobytes()


def exif(jpeg: bytes) -> bytes:
    """A JPEG that says it lies on its side."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0)
    tiff = b"II*\x00" + struct.pack("<IH", 8, 1) + entry + bytes(4)
    body = b"Exif\x00\x00" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def image_seeds() -> list[bytes]:
    jpeg = image(".jpg")
    return [
        jpeg, exif(jpeg), image(".jpg", 112), image(".jpg", 24, (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
        image(".jpg", 40, (cv2.IMWRITE_JPEG_RST_INTERVAL, 1)), image(".png"), image(".webp"),
        image(".webp", 24, (cv2.IMWRITE_WEBP_QUALITY, 101)), image(".bmp", 9),
        cv2.imencode(".png", np.full((9, 9, 4), 30_000, np.uint16))[1].tobytes(),
        image(".gif"), image(".tiff", 20), image(".avif", 24),
        cv2.imencode(".tiff", np.full((9, 9, 4), 30_000, np.uint16))[1].tobytes(),
    ]  # fmt: skip


def bin_seeds() -> list[bytes]:
    images = [image(".jpg", 9), b"\x89PNG" + bytes(40), b"a" * 300, b""]
    arrays = [np.frombuffer(data, np.uint8) for data in (*images[:3], b"x")]
    truths = [[True, False], [np.bool_(True), np.bool_(False)], np.array([1, 0]), (1, 0)]
    seeds = [
        pickle.dumps((bins, truth), protocol)
        for protocol in range(6)
        for bins in (images, arrays)
        for truth in truths
    ]
    python_2 = b"\x80\x02]q\x00(U\x03\xff\xd8xq\x01T,\x01\x00\x00" + b"y" * 300 + b"h\x01U\x00e"
    return [*seeds, python_2 + b"]q\x04(\x88\x89e\x86q\x05."]


def mutate(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """One to eight small changes: bits, numbers, words, cuts, repeats, splices."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3, 8))):
        at = rng.randrange(len(out) + 1)
        span = min(rng.choice((1, 2, 4, 8, 30, 200)), len(out) - at)
        kind = rng.randrange(9)
        if kind == 0 and out:
            out[at % len(out)] ^= 1 << rng.randrange(8)
        elif kind == 1 and out:
            out[at % len(out)] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
        elif kind == 2:
            size = rng.choice((1, 2, 4, 4, 8))
            number = rng.choice(NUMBERS) & ((1 << 8 * size) - 1)
            at -= at % size
            out[at : at + size] = number.to_bytes(size, rng.choice(("little", "big")))
        elif kind == 3:
            out[at:at] = rng.choice(WORDS)
        elif kind == 4:
            del out[at : at + span]
        elif kind == 5:
            out[at:at] = out[at : at + span] * rng.choice((1, 2, 50))
        elif kind == 6:
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            out[at : at + span] = other[start : start + rng.choice((4, 40, 400))]
        elif kind == 7:
            del out[at:]
        else:
            word = rng.choice((str(rng.choice(NUMBERS)).encode(), rng.choice(WORDS)))
            out[at : at + len(word)] = word
    return bytes(out[: 1 << 20])


def random_pickle(rng: random.Random) -> bytes:
    """Opcodes at random with arguments that fit: what no mutation of an honest file reaches."""
    out = bytearray(b"\x80\x04")
    names = [b"numpy\ndtype\n", b"numpy\nndarray\n", b"numpy.core.multiarray\n_reconstruct\n",
             b"numpy.core.multiarray\nscalar\n", b"numpy.core.numeric\n_frombuffer\n",
             b"_codecs\nencode\n", b"builtins\nbytes\n",
             b"os\nsystem\n", b"builtins\neval\n"]  # fmt: skip
    for _ in range(rng.randrange(2, 60)):
        op = rng.choice(pickletools.opcodes)
        out += op.code.encode("latin-1")
        size = op.arg.n if op.arg else 0
        if op.name == "GLOBAL":
            out += rng.choice(names)
        elif size >= 0:
            out += bytes(rng.choice((0, 1, 2, 3)) for _ in range(size))
        elif size == pickletools.UP_TO_NEWLINE:
            out += rng.choice((b"1\n", b"0\n", b"'u1'\n", b"01\n", b"x\n"))
        else:
            width = {-2: 1, -3: 4, -4: 4, -5: 8}[size]
            text = rng.choice((b"u1", b"b1", b"|", b"abcd", b"", b"numpy", b"dtype", b"touch x"))
            out += len(text).to_bytes(width, "little") + text
    return bytes(out) + b"."
