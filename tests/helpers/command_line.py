"""The command line in this process, as a user's shell would see it."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from arcface_plus.cli import main


class Outcome(NamedTuple):
    """Exit status, and what was printed on stdout and stderr."""

    status: int
    out: str
    err: str

    def assert_one_line(self, *words: str) -> None:
        """A user error: status 2 and one line on stderr that contains these words."""
        assert self.status == 2, self
        assert self.err.startswith("arcface-plus: ")
        assert self.err.count("\n") == 1, self.err
        assert self.err.rstrip("\n").isprintable()
        for word in words:
            assert word in self.err, self.err


def arcface_plus(capsys: pytest.CaptureFixture[str], *words: object) -> Outcome:
    """Run `arcface-plus WORDS…`."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    captured = capsys.readouterr()
    return Outcome(int(left.value.code or 0), captured.out, captured.err)
