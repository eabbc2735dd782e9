"""How a training run can end early; the command line maps these to exit statuses."""

from __future__ import annotations


class Diverged(Exception):
    """The loss is no longer finite: exit status 3."""


class Interrupted(Exception):
    """A signal arrived and everything was saved: exit status 128 + signal."""

    def __init__(self, signal_number: int, message: str) -> None:
        super().__init__(message)
        self.signal_number = signal_number


class PeerFailed(Exception):
    """Another process failed, and says why: this one says nothing, and its exit status is 1."""
