"""docker/slurm.sbatch on a real SLURM: preempted, saved, queued again, resumed, cancelled."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import pytest
from slurm_cluster import cluster, free_ports, missing, slurm
from tiny_run import set_words, wait_for_step, wait_until

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "docker/slurm.sbatch"


def marker(run: Path) -> dict[str, object]:
    wait_until((run / "interrupted.json").is_file, "marker")
    found: dict[str, object] = json.loads((run / "interrupted.json").read_text())
    return found


@pytest.mark.slow
def test_a_preempted_job_saves_waits_in_the_queue_and_continues(synthetic, tmp_path):
    if reason := missing():
        pytest.skip(reason)
    run, said = tmp_path / "run", tmp_path / "said"
    environment = {
        "DATA": str(synthetic), "RUN": str(run), "PROCESSES": "1", "OMP_NUM_THREADS": "1",
        "TORCHRUN": f"{sys.executable} -m torch.distributed.run", "PYTHONPATH": str(ROOT),
        "ENDPOINT": f"127.0.0.1:{free_ports(1)[0]}",  # n1 is no name that resolves
    }  # fmt: skip
    job = ["sbatch", "--parsable", "--nodes=2", "--time=10", f"--output={said}", str(SCRIPT),
           "demo_arcface", *set_words("eval.targets=[]")]  # fmt: skip

    with cluster(tmp_path / "cluster") as conf:

        def state() -> str:
            return slurm(conf, "squeue", "--noheader", "--format=%T", f"--jobs={number}").strip()

        def released() -> bool:
            if state() == "PENDING":
                now = ("scontrol", "update", f"JobId={number}", "StartTime=now")
                slurm(conf, *now, must=False)  # it may have started just now
            return state() == "RUNNING"

        def continued(step: int) -> None:
            """SLURM holds a job back for two minutes after it was queued again.

            Nodes refuse a job that starts at once: "credential revoked". So wait for two seconds.
            """
            wait_until(lambda: state() == "PENDING", "job in the queue")
            time.sleep(2.0)
            wait_until(released, "start of the job", every=1.0)
            wait_for_step(run, step + 2)
            assert not (run / "interrupted.json").exists()
            assert f"demo_arcface: resumes at step {step} in" in said.read_text()

        ready = ("sinfo", "--noheader", "--partition=low", "--format=%D %T")
        wait_until(lambda: slurm(conf, *ready).strip() == "2 idle", "two nodes", every=0.5)
        slurm(conf, job[0], "--test-only", *job[1:], **environment)
        number = slurm(conf, *job, **environment).strip()
        wait_for_step(run, 3)
        slurm(conf, "sbatch", "--partition=high", "--nodes=2", f"--output={os.devnull}",
              "--wrap=sleep 1")  # fmt: skip
        found = marker(run)
        assert found["signal"] == "SIGTERM"
        continued(int(str(found["step"])))

        slurm(conf, "scancel", "--signal=USR1", "--batch", number)  # as `--signal=B:USR1@60` does
        found = marker(run)
        assert found["signal"] == "SIGUSR1"
        continued(int(str(found["step"])))

        slurm(conf, "scancel", number)
        assert marker(run)["signal"] == "SIGTERM"
        wait_until(lambda: state() == "", "end of the cancelled job")
    assert said.read_text().count("arcface-plus: interrupted at step ") == 3
