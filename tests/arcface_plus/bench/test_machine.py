"""The facts published with figures: plain values, and no host name."""

from __future__ import annotations

import json
import platform

from arcface_plus.bench.machine import facts, usable_cores


def test_facts_are_plain_and_name_no_machine():
    found = facts()
    assert json.loads(json.dumps(found)) == found
    assert {"date", "cpu", "cores", "gpu", "torch", "numpy", "opencv", "git_revision"} <= set(found)
    assert found["cores"] == usable_cores() >= 1
    assert platform.node() not in {str(value) for value in found.values()}
