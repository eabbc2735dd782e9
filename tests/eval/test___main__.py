"""`python -m eval …` hands its arguments to the one command line."""

from __future__ import annotations

import sys
import types


def test_arguments_are_passed_on(monkeypatch):
    calls = []
    cli = types.ModuleType("arcface_plus.cli")
    cli.main = calls.append
    monkeypatch.setitem(sys.modules, "arcface_plus.cli", cli)
    monkeypatch.setattr(sys, "argv", ["eval", "verify", "--ckpt", "x"])
    from eval.__main__ import main

    main()
    assert calls == [["eval", "verify", "--ckpt", "x"]]
