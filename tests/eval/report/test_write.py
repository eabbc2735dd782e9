"""What is written of a comparison and of a run, and what is in the JSON."""

from __future__ import annotations

import json

from verification_files import ARCFACE, BASE, BETTER, PLUS, target

from eval.compare import compare
from eval.report.write import write_comparison, write_run
from eval.runs import read_run


def test_a_comparison_is_three_files(make_run, tmp_path):
    a = make_run("a[red]", {"lfw": target(ARCFACE)}, config=BASE)
    b = make_run("b", {"lfw": target(BETTER)}, config=PLUS)
    out = tmp_path / "out" / "deep"
    written = write_comparison(compare([a, b]), out)
    assert [path.name for path in written] == ["compare.json", "compare.md", "compare.html"]
    assert sorted(out.iterdir()) == sorted(written)
    content = json.loads(written[0].read_text(encoding="utf-8"))
    assert content["reference"] == "a[red]"
    assert content["targets"]["lfw"]["differences"][0]["shown"] is True
    assert content["targets"]["lfw"]["results"]["b"]["accuracy"]["folds"][0] == BETTER[0] / 600
    assert content["config_differences"]["regularizer.weight"] == {"a[red]": 0.0, "b": 0.03}


def test_the_json_of_groups_has_the_verdict_and_its_level(groups, tmp_path):
    written = write_comparison(compare(groups=groups), tmp_path)
    content = json.loads(written[0].read_text(encoding="utf-8"))
    assert content["reference"] == "arcface"
    assert content["groups"]["plus"] == [f"plus_{i}" for i in range(4)]
    difference = content["targets"]["lfw"]["differences"][0]
    verdict = difference["verdict"]
    assert (difference["design"], verdict["test"]) == ("same seeds", "paired t by seed")
    assert difference["shown"] is True
    assert verdict["interval"][0] > 0
    assert verdict["p"] < 1 - verdict["level"]
    assert content["targets"]["lfw"]["accuracies"]["plus"]["runs"] == 4
    markdown = written[1].read_text(encoding="utf-8")
    assert "seeds for 0.1 points" in markdown
    assert "| run.seed | 0, 1, 2, 3 | 0, 1, 2, 3 |" in markdown


def test_a_run_is_a_page_and_its_table(make_run, tmp_path):
    run = read_run(make_run("a", {"lfw": target(ARCFACE)}, config=BASE))
    written = write_run(run, tmp_path / "new")
    assert [path.name for path in written] == ["report.md", "report.html"]
    assert all("95.53 ± 0.61" in path.read_text(encoding="utf-8") for path in written)


def test_a_name_that_is_not_utf_8_does_not_stop_the_report(seeded_run, tmp_path):
    runs = [seeded_run(name, 0, {"lfw": (3, 1)}, pairs=40) for name in "ab"]
    odd = runs[0].rename(tmp_path / "odd\udcff")
    written = write_comparison(compare([odd, runs[1]]), tmp_path / "out")
    assert json.loads(written[0].read_text("utf-8"))["reference"] == "odd\udcff"
    for file in written[1:]:
        assert "odd" in file.read_text("utf-8")
