"""Studies as the reports get them, from runs that tests make."""

from __future__ import annotations

from dataclasses import replace

from eval.compare import comparison_of
from eval.groups import Group
from eval.metric import ACCURACY, Metric
from eval.runs import read_run
from eval.study import Arm, Study, Unfinished, judged

STRENGTHS = {"plain": 2.0, "mma <b>": 2.6, "half": 2.1}
PAPER = {"plain": {"lfw": 0.84}, "mma <b>": {"lfw": 0.9}, "half": {}}


def arms(seeded_run, seeds=(0, 1, 2)) -> list[Arm]:
    """Three arms that share the noise of each seed; the second is clearly better."""
    found = []
    for k, (name, strength) in enumerate(STRENGTHS.items()):
        runs = []
        for seed in seeds:
            path = seeded_run(f"{k}_{seed}", seed, {"lfw": (strength, seed + 1)}, pairs=400,
                              head={"margin": 0.1 * k})  # fmt: skip
            runs.append(replace(read_run(path), name=f"{name}/seed_{seed}"))
        found.append(Arm(name, Group(name, tuple(runs)), seeds, PAPER[name], {"head.margin": k}))
    return found


def study(
    found: list[Arm],
    pairs=(("plain", "mma <b>"), ("plain", "half")),
    unfinished: tuple[Unfinished, ...] = (),
    metric: Metric = ACCURACY,
) -> Study:
    return Study(
        name="three <arms>",
        targets=("lfw",),
        arms=tuple(found),
        overall=comparison_of([arm.group for arm in found], ["lfw"], [], ["head.margin"], metric),
        comparisons=judged(found, pairs, ["lfw"], changed=["head.margin"], metric=metric),
        unfinished=unfinished,
        paper="Table 7 & <more>",
        hypothesis="mma is better",
        plan="First line,\nstill first.\n\nSecond.\n",
        needs="Faces & <names>\nfrom their site\n",
    )
