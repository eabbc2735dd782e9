"""The page of a comparison: all of it there, nothing unescaped, nothing fetched, in a browser."""

from __future__ import annotations

import base64
import json
import re
import shutil

import numpy as np
import pytest
import yaml
from browser import needs_chromium, probed

from eval.compare import compare
from eval.report.write import write_comparison

HEADINGS = [
    *("Accuracy of each run", "ROC", "Scores", "Training", "Angles between classes"),
    *("Worst pairs", "All figures", "Config", "Environment", "Verdicts in words"),
    *("What this cannot tell", "Compared"),
]
EVIL = "<script>alert('x')</script>&\"evil"
PAIRS = 400


@pytest.fixture
def full(seeded_run, log, encoded, tmp_path):
    """A report of two groups of two runs with everything there is; its page."""
    groups = {}
    for number, name in enumerate(("arcface", "arcface_plus_with_a_name_that_is_long")):
        groups[name] = [
            seeded_run(
                f"{name}_{seed}", seed, {"lfw": (3 + number, 2 * seed + number)}, pairs=PAIRS,
                regularizer={"name": ["none", "mma"][number]}, data={"train": "x/" * 60},
            )
            for seed in (0, 1)
        ]  # fmt: skip
        for run in groups[name]:
            log(run)
    comparison = compare(groups=groups)
    angles = {run.name: np.linspace(60, 75, 100) for run in comparison.runs}
    write_comparison(comparison, tmp_path / "out", angles, {"lfw": encoded(2 * PAIRS)})
    return tmp_path / "out" / "compare.html"


def test_the_table_of_verdicts_comes_first(full):
    page = full.read_text()
    assert re.findall("<h2>(.*?)</h2>", page) == HEADINGS
    first = page[: page.index("<h2>")]
    content = json.loads((full.parent / "compare.json").read_text())
    difference = content["targets"]["lfw"]["differences"][0]
    verdict = difference["verdict"]
    assert "paired t by seed" in first
    assert f"{verdict['p_holm']:.3f}" in first
    low, high = (f"{100 * bound:+.2f}".replace("-", "−") for bound in verdict["interval"])
    assert f"{low} to {high}" in first
    assert '<svg class="interval"' in first


def test_everything_is_there(full):
    page = full.read_text()
    for caption in (
        "Accuracy on lfw", "ROC on lfw", "Scores on lfw: arcface", "Loss without the regularizer",
        "Verification accuracy on lfw", "Accuracy on training batches", "Learning rate",
        "Nearest-neighbour angles of the class weights", "Mean nearest-neighbour angle",
        "Smallest nearest-neighbour angle",
    ):  # fmt: skip
        assert f"<figcaption>{caption}</figcaption>" in page
    assert "nothing from" not in page
    for words in ("regularizer.name", "seeds for 0.1", "2.12", "wrong in 2 of 2"):
        assert words in page.replace("<wbr>", "")
    jpegs = re.findall(r"data:image/jpeg;base64,([^\"]+)", page)
    assert jpegs
    assert all(base64.b64decode(jpeg).startswith(b"\xff\xd8\xff") for jpeg in jpegs)


def test_it_is_read_aloud(full):
    """Pictures have a text, tables have headers, and cells that are laid out anew keep roles."""
    page = full.read_text()
    for tag in re.findall("<svg [^>]*>", page):
        assert "aria-label=" in tag or "aria-hidden=" in tag
    assert all("alt=" in tag for tag in re.findall("<img [^>]*>", page))
    for table in re.findall("<table.*?</table>", page, re.DOTALL):
        assert '<th scope="col"' in table
        rows = re.findall("<tr.*?</tr>", table, re.DOTALL)[1:]
        assert all('<th scope="row"' in row for row in rows)
    headline = re.search('<table class="headline".*?</table>', page, re.DOTALL)[0]
    cells = len(re.findall("<td", headline))
    assert cells == headline.count('role="cell"') > 0


def test_nothing_is_fetched(full):
    page = full.read_text()
    assert "://" not in page
    assert "<script" not in page
    assert "@import" not in page
    assert all(source.startswith("data:") for source in re.findall(r'(?:src|href)="([^"]*)', page))
    assert "url(" not in page


def test_what_comes_from_files_is_escaped(seeded_run, tmp_path):
    runs = [seeded_run(name, 0, {EVIL.replace("/", ""): (3, 1)}, pairs=40) for name in "ab"]
    for run in runs:
        config = yaml.safe_load((run / "config.yaml").read_text())
        config[EVIL] = {EVIL: run.name + EVIL}
        (run / "config.yaml").write_text(yaml.safe_dump(config))
        (run / "environment.json").write_text(json.dumps({EVIL: EVIL, "mixed": [run.name, EVIL]}))
        (run / "summary.json").write_text(json.dumps({EVIL: 1}))
    write_comparison(compare(groups={EVIL: [runs[0]], "b": [runs[1]]}), tmp_path / "out")
    page = (tmp_path / "out" / "compare.html").read_text()
    assert "<script" not in page
    assert '"evil' not in page
    assert "&lt;script&gt;" in page


def test_what_is_missing_is_said(seeded_run, log, tmp_path):
    first, second = (
        seeded_run(name, 0, {"lfw": (3, 1)}, pairs=40, scores=name == "a") for name in "ab"
    )
    log(first)
    alone = tmp_path / "alone.json"
    shutil.copy(second / "eval" / "step_00000100.json", alone)
    write_comparison(compare([first, alone]), tmp_path / "out")
    page = (tmp_path / "out" / "compare.html").read_text()
    assert re.findall("<h2>(.*?)</h2>", page) == HEADINGS
    for what, why in (
        ("Loss without the regularizer", "metrics.jsonl is missing"),
        ("Learning rate", "metrics.jsonl is missing"),
        ("Mean nearest-neighbour angle", "metrics.jsonl is missing"),
        ("Verification accuracy on lfw", "no run directory"),
        ("ROC on lfw", "the pairs&#39; distances"),
        ("Scores on lfw", "the pairs&#39; distances"),
        ("Worst pairs of lfw", "the pairs&#39; distances"),
        ("Settings", "no config.yaml"),
        ("Environment", "no environment.json"),
    ):
        assert f"{what}: nothing from alone ({why}" in page
    angles = "Nearest-neighbour angles of the class weights: nothing from a, alone"
    assert angles in page
    assert "`--data DIR`" in page


@needs_chromium
@pytest.mark.parametrize(("width", "media"), [(400, "screen"), (1280, "screen"), (720, "print")])
def test_in_a_browser(full, tmp_path, width, media):
    probe = probed(full, tmp_path, width, media)
    page = full.read_text()
    assert probe["inner"] == width
    assert probe["width"] <= width
    assert probe["wide"] == probe["bad"] == probe["flat"] == 0
    assert probe["images"] == page.count("<img ") > 0
    assert probe["svgs"] == page.count("<svg ") > 8
