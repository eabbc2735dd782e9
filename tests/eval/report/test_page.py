"""The HTML report: all of it there, nothing unescaped, nothing fetched, and right in a browser."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess

import cv2
import numpy as np
import pytest
import yaml
from markupsafe import escape

from eval.compare import compare
from eval.report import write as report

HEADINGS = [
    *("Figures", "Course of the training", "Angles between classes", "ROC", "Scores"),
    *("Worst pairs", "Config", "Environment", "What this cannot tell", "Compared"),
]
EVIL = "<script>alert('x')</script>&\"evil"
PAIRS = 400


def log(run, steps=40):
    """What training leaves beside the verification."""
    lines = [
        {"step": 10 * i, "loss": 9 / i, "accuracy": i / steps, "lr": 0.1 if i < 30 else 0.01,
         "min_angle_deg": 60 + i / 9, "mean_min_angle_deg": 70 + i / 9}
        for i in range(1, steps + 1)
    ]  # fmt: skip
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (run / "environment.json").write_text(json.dumps({"torch": "2.12", "command": ["a", run.name]}))


def encoded(count):
    rng = np.random.default_rng(0)
    faces = [cv2.resize(rng.integers(0, 255, (3, 3, 3), np.uint8), (112, 112)) for _ in range(9)]
    made = [cv2.imencode(".jpg", face)[1].tobytes() for face in faces]
    return [made[i % 9] for i in range(count)]


@pytest.fixture
def full(seeded_run, tmp_path):
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
    report.write(comparison, tmp_path / "out", angles, {"lfw": encoded(2 * PAIRS)})
    return tmp_path / "out" / "compare.html"


def test_everything_is_there_verdicts_first(full):
    page = full.read_text()
    assert re.findall("<h2>(.*?)</h2>", page) == HEADINGS
    verdict = json.loads((full.parent / "compare.json").read_text())["targets"]["lfw"][
        "differences"
    ][0]["sentence"]
    assert page.index(escape(verdict)) < page.index("<h2>")
    for caption in (
        "Loss", "Verification accuracy on lfw", "Accuracy on training batches", "Learning rate",
        "Nearest-neighbour angles of the class weights", "Mean nearest-neighbour angle",
        "Smallest nearest-neighbour angle", "ROC on lfw", "Scores on lfw: arcface",
    ):  # fmt: skip
        assert f"<figcaption>{caption}</figcaption>" in page
    assert "nothing from" not in page
    assert "regularizer.name" in page
    assert "seeds for 0.1" in page
    assert "2.12" in page
    assert "wrong in 2 of 2" in page
    jpegs = re.findall(r"data:image/jpeg;base64,([^\"]+)", page)
    assert jpegs
    assert all(base64.b64decode(jpeg).startswith(b"\xff\xd8\xff") for jpeg in jpegs)


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
    report.write(compare(groups={EVIL: [runs[0]], "b": [runs[1]]}), tmp_path / "out")
    page = (tmp_path / "out" / "compare.html").read_text()
    assert "<script" not in page
    assert '"evil' not in page
    assert "&lt;script&gt;" in page


def test_what_is_missing_is_said(seeded_run, tmp_path):
    first, second = (
        seeded_run(name, 0, {"lfw": (3, 1)}, pairs=40, scores=name == "a") for name in "ab"
    )
    log(first)
    alone = tmp_path / "alone.json"
    shutil.copy(second / "eval" / "step_00000100.json", alone)
    report.write(compare([first, alone]), tmp_path / "out")
    page = (tmp_path / "out" / "compare.html").read_text()
    assert re.findall("<h2>(.*?)</h2>", page) == HEADINGS
    for what, why in (
        ("Loss", "metrics.jsonl is missing"),
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


PROBE = """<script>addEventListener('load', () => setTimeout(() => {
  const wide = [...document.querySelectorAll('figure, p, h1, h2, h3, .scroll, .pair')]
    .filter(e => e.getBoundingClientRect().right > innerWidth + 0.5).length;
  const bad = [...document.images].filter(i => !i.complete || !i.naturalWidth).length;
  const flat = [...document.querySelectorAll('svg')]
    .filter(e => e.getBoundingClientRect().height < 50).length;
  document.body.dataset.probe = JSON.stringify({width: document.documentElement.scrollWidth,
    inner: innerWidth, images: document.images.length, wide, bad, flat,
    svgs: document.querySelectorAll('svg').length});
}, 100));</script>"""


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium on PATH")
@pytest.mark.parametrize(("width", "media"), [(360, "screen"), (1400, "screen"), (720, "print")])
def test_in_a_browser(full, tmp_path, width, media):
    # Chromium's window is never narrower than 500 px, so the page is probed in a frame.
    page = full.read_text()
    page = page.replace("@media print", "@media screen") if media == "print" else page
    inner = tmp_path / "inner.html"
    inner.write_text(page.replace("</body>", f"{PROBE}</body>"))
    outer = tmp_path / "outer.html"
    outer.write_text(
        f'<!DOCTYPE html><link rel="icon" href="data:,"><iframe id="f" src="inner.html" '
        f'width="{width}" height="900" style="border:0"></iframe><script>'
        "addEventListener('load', () => setTimeout(() => { document.body.dataset.probe = "
        "document.getElementById('f').contentDocument.body.dataset.probe; }, 1000));</script>"
    )
    done = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--allow-file-access-from-files", "--enable-logging=stderr", "--v=0",
         "--virtual-time-budget=5000", f"--user-data-dir={tmp_path / 'profile'}",
         f"--window-size={width + 20},1000", "--dump-dom", outer.as_uri()],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert ":CONSOLE" not in done.stderr
    found = re.search(r'<body data-probe="(.*?)"', done.stdout)
    assert found, done.stdout[-500:] + done.stderr[-2000:]
    probe = json.loads(found[1].replace("&quot;", '"'))
    assert probe["inner"] == width
    assert probe["width"] <= width
    assert probe["wide"] == probe["bad"] == probe["flat"] == 0
    assert probe["images"] == page.count("<img ") > 0
    assert probe["svgs"] == page.count("<svg ") > 8
