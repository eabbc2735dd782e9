"""The page of a study: its parts, its colours, and its layout in a browser."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from browser import needs_chromium, probed
from judged_studies import arms, study

from eval.groups import Group
from eval.report.write import write_study
from eval.study import Unfinished


@pytest.fixture
def three(seeded_run, log):
    found = arms(seeded_run)
    for arm in found:
        for run in arm.group.runs:
            log(run.directory)
    return found


def page_of(found, folder):
    angles = {run.name: np.linspace(60, 75, 50) for run in found.overall.runs}
    return next(p for p in write_study(found, folder, angles) if p.suffix == ".html")


def test_everything_is_there_and_escaped(three, tmp_path):
    found = study(three, unfinished=(Unfinished("half/seed_3", "failed: no <memory>"),))
    page = page_of(found, tmp_path).read_text()
    assert re.findall("<h2>(.*?)</h2>", page) == [
        "Accuracy, %, the paper&#39;s and ours", "Each run", "Plan of the analysis", "Data",
        "Training", "Angles between classes", "All figures", "Config", "Environment",
        "Verdicts in words", "What this cannot tell", "Not run",
    ]  # fmt: skip
    assert "<h1>three &lt;arms&gt;</h1>" in page
    assert "This study is incomplete: 8 of 9 runs" in page
    assert "mma is better" in page
    assert "<p>Faces &amp; &lt;names&gt; from their site</p>" in page
    assert "Table 7 &amp; &lt;more&gt;" in page
    assert "half/seed_3: failed: no &lt;memory&gt;" in page
    assert "its last checkpoint, never the best one" in page
    assert "<figcaption>Mean nearest-neighbour angle</figcaption>" in page
    assert "<p>First line, still first.</p>\n<p>Second.</p>" in page
    assert "mma <b>" not in page
    assert "://" not in page


def test_an_arm_has_one_colour_against_every_reference(three, tmp_path):
    found = study(three, [("half", "mma <b>"), ("plain", "mma <b>")])
    page = page_of(found, tmp_path).read_text()
    tables = re.findall('<table class="headline".*?</table>', page, re.DOTALL)
    heads = [re.findall(r'filled (c\d)"></i>(\w+)', table) for table in tables]
    assert heads == [[("c2", "half"), ("c1", "mma")], [("c0", "plain"), ("c1", "mma")]]


def test_twelve_arms_have_twelve_looks_on_the_page(three, tmp_path):
    found = []
    for k in range(12):
        arm = three[k % 3]
        runs = tuple(replace(run, name=f"v{k}/{run.seed}") for run in arm.group.runs)
        found.append(replace(arm, name=f"v{k}", group=Group(f"v{k}", runs), paper={}))
    page = page_of(study(found, [("v0", f"v{k}") for k in range(1, 12)]), tmp_path).read_text()
    who = re.search('<p class="who">(.*?)</p>', page, re.DOTALL)[1]
    looks = re.findall(r'<i class="filled (c\d(?: again)?)"></i>', who)
    assert len(looks) == len(set(looks)) == 12
    assert "Lines are means over the runs of a group." in page


@needs_chromium
def test_it_fits_phones_and_screens(three, tmp_path):
    found = study(three, [("plain", "mma <b>"), ("half", "mma <b>")])
    page = page_of(found, tmp_path)
    for width in (400, 1280):
        facts = probed(page, tmp_path, width)
        assert facts["width"] <= width
        assert (facts["wide"], facts["flat"]) == (0, 0)
