"""What goes wrong because of the user's input, as opposed to a bug of ours.

The command line turns these into one line on stderr and exit status 2; a traceback is shown only
with ``--debug``. Messages name the thing (file, key, record, pair, byte offset) and say how to fix
it.
"""

from __future__ import annotations

import unicodedata


class UserError(ValueError):
    """The user can fix this: a wrong option, path, configuration or combination of them."""


class DataError(UserError):
    """A file is missing, truncated, corrupt or not what its name says."""


def first_line(error: BaseException, limit: int = 160) -> str:
    """The first line of an error's message, or its type where it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0][:limit] if lines else type(error).__name__


def printable(text: str) -> str:
    """`text` with every character shown that a terminal would obey instead of print.

    Control characters, line breaks and direction marks become escapes such as \\x1b; a byte that
    was no UTF-8 in a file's name becomes \\xNN.
    """
    if text.isprintable():
        return text
    return "".join(_shown(c) for c in text)


def _shown(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape: how Python holds a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    joiner = code in (0x200C, 0x200D)  # part of words in Persian and of emoji
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") and not joiner:
        return character.encode("unicode_escape").decode("ascii")
    return character
