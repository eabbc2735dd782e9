"""A study as Markdown: the same figures as the page, one table for each reference."""

from __future__ import annotations

import pytest
from judged_studies import arms, study

from eval.report.study_markdown import study_to_markdown
from eval.study import Unfinished


@pytest.fixture
def three(seeded_run):
    return arms(seeded_run)


def test_everything_is_there(three):
    found = study(three, unfinished=(Unfinished("half/seed_3", "not begun"),))
    text = study_to_markdown(found)
    assert text.startswith("# three &lt;arms&gt;\n\n**This study is incomplete: 8 of 9")
    for difference in found.differences:
        assert difference.sentence.replace("<", "&lt;").replace(">", "&gt;") in text
    assert "| variant | lfw, paper | lfw, ours | runs |" in text
    assert "## Plan of the analysis\n\nFirst line, still first.\n\nSecond." in text
    assert "## Data\n\nFaces &amp; &lt;names&gt; from their site" in text
    assert "## Not run\n\n- half/seed_3: not begun" in text
    assert "Against" not in text


def test_each_reference_has_its_table(three):
    text = study_to_markdown(study(three, [("plain", "half"), ("mma <b>", "half")]))
    assert text.index("## Against plain") < text.index("## Against mma &lt;b&gt;")
