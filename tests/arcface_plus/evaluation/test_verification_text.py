"""The lines of `eval verify`: figures that are there, and why others are not."""

from __future__ import annotations

from typing import Any

from arcface_plus.evaluation.verification_text import missing_rates, target_line


def figures(different: int = 3000, **tars: float | None) -> dict[str, Any]:
    known = {"1e-1": 0.9983, "1e-2": 0.9803, "1e-3": None, "1e-4": None}
    return {
        "pairs": different + 3000,
        "same": 3000,
        "accuracy": {"mean": 0.9867, "std": 0.0058, "ci95": [0.9834, 0.9893]},
        "auc": 0.99871,
        "eer": 0.013,
        "tar_at_far": known | {name.replace("e", "e-"): tar for name, tar in tars.items()},
    }


def test_a_line_has_all_figures_and_fits_a_screen():
    line = target_line("agedb_30", figures())
    assert line == (
        "agedb_30: 98.67 ± 0.58% (95% 98.34 to 98.93)  AUC 0.9987  EER 1.30%  "
        "TAR@1e-1 99.83% @1e-2 98.03%"
    )
    assert len(line) <= 100


def test_what_is_missing_is_left_out_or_a_dash():
    none = figures(auc=None) | {"auc": None, "eer": None, "tar_at_far": {"1e-1": None}}
    assert target_line("x", none).endswith("to 98.93)  AUC –  EER –")
    assert missing_rates({"x": none}) == []  # pairs of one kind: another sentence says so


def test_the_reason_is_given_once_for_targets_that_lack_the_same():
    assert missing_rates({"lfw": figures()}) == [
        "no TAR at FAR 1e-3 and 1e-4: they need 10,000 and 100,000 different pairs; lfw has 3,000"
    ]
    targets = {
        "lfw": figures(),
        "cfp_fp": figures(3500),
        "large": figures(20_000, **{"1e3": 0.9}),
        "huge": figures(200_000, **{"1e3": 0.9, "1e4": 0.8}),
        "tiny": figures(20, **{"1e1": None, "1e2": None}),
    }
    assert missing_rates(targets) == [
        "no TAR at FAR 1e-3 and 1e-4: they need 10,000 and 100,000 different pairs; "
        "lfw has 3,000 and cfp_fp has 3,500",
        "no TAR at FAR 1e-4: it needs 100,000 different pairs; large has 20,000",
        "no TAR at FAR 1e-1, 1e-2, 1e-3 and 1e-4: they need 100, 1,000, 10,000 and 100,000 "
        "different pairs; tiny has 20",
    ]
