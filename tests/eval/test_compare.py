"""Runs on disk → comparison → terminal, Markdown and JSON."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import yaml
from rich.console import Console

from data_prep.errors import DataError, UserError
from eval.compare import compare
from eval.report import write as report
from eval.verification import verify

BASE = {
    "run": {"name": "arcface", "seed": 0},
    "head": {"name": "arcface", "margin": 0.5},
    "regularizer": {"name": "none", "weight": 0.0},
    "eval": {"targets": ["lfw", "cfp_fp"]},
}


def target(correct_a_fold, size=600):
    folds = [correct / size for correct in correct_a_fold]
    mean = float(np.mean(folds))
    return {
        "pairs": size * len(folds),
        "same": size * len(folds) // 2,
        "images": 2 * size * len(folds),
        "unique_images": 7701,
        "accuracy": {
            "mean": mean,
            "std": float(np.std(folds)),
            "folds": folds,
            "thresholds": [1.5] * len(folds),
            "ci95": [max(0.0, mean - 0.002), min(1.0, mean + 0.002)],
        },
        "auc": 0.998,
        "eer": 0.01,
        "tar_at_far": {"1e-1": 0.999, "1e-2": 0.98, "1e-3": None},
        "embedding_norm_mean": 20.0,
    }


def verification(targets, **changes):
    content = {"schema": 1, "checkpoint": "x", "protocol": "10-fold", "flip": True}
    return content | {"targets": targets} | changes


@pytest.fixture
def make_run(tmp_path):
    def make(name, targets, step=100, config=None, summary=None, **changes):
        directory = tmp_path / name
        (directory / "eval").mkdir(parents=True, exist_ok=True)
        file = directory / "eval" / f"step_{step:08d}.json"
        file.write_text(json.dumps(verification(targets, **changes)))
        if config is not None:
            (directory / "config.yaml").write_text(yaml.safe_dump(config))
        if summary is not None:
            (directory / "summary.json").write_text(json.dumps(summary))
        return directory

    return make


ARCFACE = [570, 575, 568, 580, 572, 577, 569, 574, 571, 576]
BETTER = [574, 580, 571, 585, 575, 582, 573, 577, 576, 580]
PLUS = BASE | {"run": {"name": "plus", "seed": 0}, "regularizer": {"name": "mma", "weight": 0.03}}


def printed(comparison, width=200):
    console = Console(file=io.StringIO(), width=width)
    report.to_terminal(comparison, console)
    return console.file.getvalue()


def test_a_clear_difference_is_shown_with_its_figures(make_run):
    a = make_run("a", {"lfw": target(ARCFACE)}, config=BASE)
    b = make_run("b", {"lfw": target(BETTER)}, config=PLUS)
    comparison = compare([a, b])
    difference = comparison.targets[0].differences[0]
    expected = np.mean(np.array(BETTER) - ARCFACE) / 600
    assert difference.shown
    assert difference.folds.mean == pytest.approx(expected)
    assert difference.sentence.startswith("b is better than a by 0.68 ± 0.10 points on lfw, p")
    assert (
        compare([b, a]).targets[0].differences[0].sentence.startswith("a is worse than b by 0.68")
    )
    assert comparison.warnings == ()
    assert any("seed" in caveat for caveat in comparison.caveats)
    assert {row.key: row.values for row in comparison.config_differences} == {
        "run.name": ('"arcface"', '"plus"'),
        "regularizer.name": ('"none"', '"mma"'),
        "regularizer.weight": ("0.0", "0.03"),
    }


def test_noise_is_called_no_difference(make_run):
    a = make_run("a", {"lfw": target(ARCFACE)}, config=BASE)
    b = make_run("b", {"lfw": target(ARCFACE[::-1])}, config=PLUS)
    difference = compare([a, b]).targets[0].differences[0]
    assert not difference.shown
    assert difference.sentence.startswith(
        "no difference could be shown between b and a on lfw: +0.00"
    )


def test_two_different_but_equal_results_give_p_one(make_run):
    a = make_run("a", {"lfw": target(ARCFACE)}, config=BASE)
    b = make_run("b", {"lfw": target(ARCFACE)}, config=PLUS)
    difference = compare([a, b]).targets[0].differences[0]
    assert difference.folds.p == 1.0
    assert "no difference could be shown" in printed(compare([a, b]))


def test_a_missing_target_is_said(make_run):
    a = make_run("a", {"lfw": target(ARCFACE), "cfp_fp": target(ARCFACE, 700)}, config=BASE)
    b = make_run("b", {"lfw": target(BETTER), "agedb_30": target(BETTER)}, config=PLUS)
    comparison = compare([a, b])
    assert [t.name for t in comparison.targets] == ["lfw", "cfp_fp", "agedb_30"]
    assert "cfp_fp: not compared: b has no result for it" in comparison.warnings
    assert "agedb_30: not compared: a has no result for it" in comparison.warnings
    for text in (printed(comparison), report.to_markdown(comparison)):
        assert "cfp_fp: not compared: b has no result" in text


def test_other_pairs_are_never_paired(make_run):
    a = make_run("a", {"lfw": target(ARCFACE), "x": target(ARCFACE)}, config=BASE)
    b = make_run("b", {"lfw": target(BETTER, 601), "x": target(BETTER)}, config=PLUS)
    comparison = compare([a, b])
    assert comparison.targets[0].differences[0].folds is None
    assert any("lfw: not compared: other pairs (a: 6000 pairs" in w for w in comparison.warnings)
    with pytest.raises(UserError, match=r"nothing to compare: lfw: not compared: other pairs"):
        compare([a, make_run("c", {"lfw": target(BETTER[:9])}, config=PLUS)])


@pytest.mark.parametrize("key", ["same", "images", "unique_images"])
def test_equally_many_but_other_pairs_are_never_paired(make_run, key):
    other = target(BETTER)
    other[key] -= 1
    a = make_run("a", {"lfw": target(ARCFACE)}, config=BASE)
    with pytest.raises(UserError, match="nothing to compare: lfw: not compared: other pairs"):
        compare([a, make_run("b", {"lfw": other}, config=PLUS)])


def test_more_than_the_regulariser_differs(make_run):
    a = make_run("a", {"lfw": target(ARCFACE)}, config=BASE)
    other = PLUS | {"head": {"name": "arcface", "margin": 0.4}, "optimizer": {"lr": 0.1}}
    b = make_run("b", {"lfw": target(BETTER)}, config=other, step=200, flip=False, protocol="p")
    comparison = compare([a, b])
    text = "\n".join(comparison.warnings)
    assert "head.margin, optimizer.lr" in text
    assert "the step is not the same in all runs (a: 100, b: 200)" in text
    assert "flip" in text
    assert "the protocol" in text
    assert "run.name" not in text
    row = next(row for row in comparison.config_differences if row.key == "optimizer.lr")
    assert row.values == (None, "0.1")


def test_the_last_step_is_used_and_plain_files_are_taken(make_run, tmp_path):
    make_run("a", {"lfw": target(ARCFACE)}, step=20_000_000, config=BASE)
    make_run("a", {"lfw": target(BETTER)}, step=100_000_000, config=BASE)
    a = make_run("a", {"lfw": target(ARCFACE)}, step=10, config=BASE)
    plain = tmp_path / "other.json"
    plain.write_text(json.dumps(verification({"lfw": target(ARCFACE)})))
    comparison = compare([a, plain, a / "eval" / "step_00000010.json"])
    assert [run.name for run in comparison.runs] == ["a", "other", "step_00000010"]
    assert [run.step for run in comparison.runs] == [100_000_000, None, 10]
    assert comparison.targets[0].results[0].accuracy.folds[0] == BETTER[0] / 600
    assert "no config.yaml for other" in comparison.warnings[0]
    assert comparison.runs[2].config is not None


def test_runs_of_one_name_are_told_apart(make_run):
    a = make_run("x/run", {"lfw": target(ARCFACE)}, config=BASE)
    b = make_run("y/run", {"lfw": target(BETTER)}, config=PLUS)
    assert [run.name for run in compare([a, b]).runs] == [str(a), str(b)]
    itself = compare([a, a])
    assert len({run.name for run in itself.runs}) == 2
    assert "one verification file is compared with itself" in itself.warnings


def test_summary_figures_stand_side_by_side(make_run):
    summary = {
        "schema": 1,
        "loss": 1.25,
        "wall_seconds": 3725.2,
        "images_per_second": 812.5,
        "accuracy": {"lfw": 0.9},
        "eval": {"lfw": 0.9},
        "host": "x",
        "loss_regularizer": float("nan"),
    }
    a = make_run("a", {"lfw": target(ARCFACE)}, config=BASE, summary=summary)
    b = make_run("b", {"lfw": target(BETTER)}, config=PLUS)
    comparison = compare([a, b])
    keys = ["loss", "wall_seconds", "images_per_second", "loss_regularizer"]
    assert [row.key for row in comparison.training] == keys
    text = report.to_markdown(comparison)
    assert "| wall_seconds | 1:02:05 | — |" in text
    assert "| loss_regularizer | nan | — |" in text
    json.dumps(comparison.to_json(), allow_nan=False)


def test_three_runs_are_compared_with_the_first(make_run):
    runs = [
        make_run(n, {"lfw": target(f)}, config=BASE)
        for n, f in [("a", ARCFACE), ("b", BETTER), ("c", ARCFACE[::-1])]
    ]
    comparison = compare(runs)
    assert [d.name for d in comparison.targets[0].differences] == ["b", "c"]
    assert any("2 differences are judged" in caveat for caveat in comparison.caveats)


def test_terminal_markdown_and_json(make_run, tmp_path):
    a = make_run("a[red]", {"lfw": target(ARCFACE)}, config=BASE)
    b = make_run("b|c", {"lfw": target(BETTER)}, config=PLUS)
    comparison = compare([a, b])
    text = printed(comparison)
    header = next(line for line in text.splitlines() if line.split()[:1] == ["target"])
    assert header.split() == ["target", "a[red]", "b|c"]
    assert "95.53 ± 0.61 [95.33, 95.73]" in text
    assert "regularizer.weight" in text
    assert "TAR at FAR 1e-1" in text
    assert "1e-3" not in text  # null in all runs: no row
    written = report.write(comparison, tmp_path / "out" / "deep")
    assert [path.name for path in written] == ["compare.json", "compare.md", "compare.html"]
    assert sorted(path.name for path in (tmp_path / "out" / "deep").iterdir()) == [
        "compare.html",
        "compare.json",
        "compare.md",
    ]
    markdown = written[1].read_text(encoding="utf-8")
    assert "| lfw | 95.53 ± 0.61 [95.33, 95.73] | 96.22 ± 0.69 [96.02, 96.42] |" in markdown
    assert "## Accuracy of b|c − a[red], in points" in markdown
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert all(row.endswith("|") for row in rows)
    content = json.loads(written[0].read_text(encoding="utf-8"))
    assert content["reference"] == "a[red]"
    assert content["targets"]["lfw"]["differences"][0]["shown"] is True
    assert content["targets"]["lfw"]["results"]["b|c"]["accuracy"]["folds"][0] == BETTER[0] / 600
    assert content["config_differences"]["regularizer.weight"] == {"a[red]": 0.0, "b|c": 0.03}


def test_what_verify_writes_can_be_compared(tmp_path):
    rng = np.random.default_rng(0)
    files = []
    for name, noise in (("a", 1.0), ("b", 1.6)):
        a = rng.normal(size=(1000, 16))
        same = np.arange(1000) % 2 == 0
        b = np.where(same[:, None], a, rng.normal(size=a.shape)) + noise * rng.normal(size=a.shape)
        result = verify(a, b, same).to_json(
            images=2000, unique_images=2000, embedding_norm_mean=1.0
        )
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps(verification({"lfw": result})))
    difference = compare(files).targets[0].differences[0]
    assert difference.shown
    assert "b is worse than a" in difference.sentence


def test_mistakes_are_named(make_run, tmp_path):
    a = make_run("a", {"lfw": target(ARCFACE)}, config=BASE)
    with pytest.raises(UserError, match="at least two runs"):
        compare([a])
    with pytest.raises(DataError, match="nowhere: no such run"):
        compare([a, tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: no verification results.*eval verify"):
        compare([a, tmp_path / "empty"])
    broken = tmp_path / "broken.json"
    for text, words in {
        "{": "the whole file: Invalid JSON",
        "{}": "schema: Field required",
        '{"schema": 2, "targets": {}}': "schema: Input should be 1",
        json.dumps(verification({})): "targets: ",
        json.dumps(verification({"lfw": target([700] * 10)})): r"targets.lfw.accuracy.mean: ",
        json.dumps(verification({"lfw": {}})): "targets.lfw.pairs: Field required",
    }.items():
        broken.write_text(text)
        with pytest.raises(DataError, match=rf"broken.json: {words}") as caught:
            compare([a, broken])
        assert "\n" not in str(caught.value)
    (a / "config.yaml").write_text("a: [1\nb: 2")
    with pytest.raises(DataError, match=r"config.yaml: cannot be read") as caught:
        compare([a, a])
    assert "\n" not in str(caught.value)
    (a / "config.yaml").write_text("- 1")
    with pytest.raises(DataError, match=r"config.yaml: holds no keys"):
        compare([a, a])
