"""A SLURM cluster of two nodes on this machine: munged, slurmctld and two slurmds, for one test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol")
PATH = f"/usr/sbin:{os.environ.get('PATH', '')}"

# A job of partition `high` preempts those of `low`, which get SIGTERM and a minute.
CONF = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=1
MpiDefault=none
NodeName=n1 NodeAddr=127.0.0.1 NodeHostname={host} Port={ports[1]} CPUs=1 State=UNKNOWN
NodeName=n2 NodeAddr=127.0.0.1 NodeHostname={host} Port={ports[2]} CPUs=1 State=UNKNOWN
PartitionName=low Nodes=n[1-2] Default=YES PriorityTier=1 GraceTime=60 State=UP
PartitionName=high Nodes=n[1-2] PriorityTier=10 State=UP
"""


def missing() -> str | None:
    """Why there can be no cluster here; None if there can be one."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=PATH) is None]
    if absent:
        return f"no {', '.join(absent)} here (Debian: munge slurmctld slurmd slurm-client)"
    return "SLURM's daemons need root" if os.geteuid() else None


@contextmanager
def cluster(folder: Path) -> Iterator[Path]:
    """A running cluster; yields its slurm.conf, for SLURM_CONF. Its files are in `folder`."""
    folder.mkdir()
    (folder / "state").mkdir()
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    conf = folder / "slurm.conf"
    conf.write_text(CONF.format(folder=folder, host=socket.gethostname(), ports=free_ports(3)))
    try:
        _run(
            "munged", "--force", f"--key-file={folder}/munge.key",
            f"--socket={folder}/munge.sock", f"--pid-file={folder}/munge.pid",
            f"--log-file={folder}/munge.log", f"--seed-file={folder}/munge.seed",
        )  # fmt: skip
        _run("slurmctld", "-f", str(conf))
        for node in ("n1", "n2"):
            _run("slurmd", "-N", node, "-f", str(conf))
        yield conf
    finally:
        for file in ("slurmd-n1.pid", "slurmd-n2.pid", "slurmctld.pid", "munge.pid"):
            with suppress(OSError, ValueError):
                os.kill(int((folder / file).read_text()), signal.SIGTERM)
        time.sleep(1)


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nothing listens on."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
    finally:
        for one in sockets:
            one.close()


def slurm(conf: Path, *words: str, must: bool = True, **environment: str) -> str:
    """Run one of SLURM's commands, which `must` succeed; what it says."""
    return _run(*words, must=must, SLURM_CONF=str(conf), **environment)


def _run(*words: str, must: bool = True, **environment: str) -> str:
    done = subprocess.run(
        words, env=os.environ | {"PATH": PATH} | environment, check=False, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0 or not must, f"{' '.join(words)}: {done.stdout}"
    return done.stdout
