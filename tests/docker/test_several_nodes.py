"""The manifests for several nodes are valid, start the same command, and fit the image."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from runs import lines
from slurm_cluster import free_ports
from tiny_run import set_words, wait_until

from arcface_plus.config.recipes import recipes

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
OURS = ["--max-restarts=3", "--shutdown-timeout=50",
        "--signals-to-handle=SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1"]  # fmt: skip
C10D = ["--rdzv-backend=c10d", "--rdzv-id=arcface-plus"]
RECIPE = ["-m", "arcface_plus", "train", "casia_r50_arcface_plus", "--set", "data.train=/data",
          "--out", "/runs/casia_r50_arcface_plus"]  # fmt: skip


def manifests(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DOCKER / name).read_text(encoding="utf-8")))


def module(name: str):
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"no {name} here (it is in the extra `dev`)")
    return importlib.import_module(name)


def test_kubernetes_accepts_the_job_and_its_service():
    kubernetes_validate = module("kubernetes_validate")
    for found in manifests("kubernetes-job.yaml"):
        kubernetes_validate.validate(found, kubernetes_validate.latest_version(), strict=True)
        found["spec"]["nonsense"] = 1  # strict means strict
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(found, kubernetes_validate.latest_version(), strict=True)


def test_the_pods_of_the_job_find_each_other():
    service, job = manifests("kubernetes-job.yaml")
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (service["kind"], job["kind"]) == ("Service", "Job")
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"] == {"job-name": job["metadata"]["name"]}
    assert pod["subdomain"] == service["metadata"]["name"]
    assert spec["completionMode"] == "Indexed"
    port = service["spec"]["ports"][0]["port"]
    assert container["ports"][0]["containerPort"] == port
    first = f"{job['metadata']['name']}-0.{service['metadata']['name']}:{port}"
    nodes = spec["completions"]
    assert spec["parallelism"] == nodes
    assert container["args"] == [
        f"--nnodes={nodes}", "--nproc-per-node=gpu", *C10D, f"--rdzv-endpoint={first}",
        *OURS, *RECIPE,
    ]  # fmt: skip


def test_kubeflow_accepts_the_trainjob_and_keeps_every_key():
    models = module("kubeflow_trainer_api.models")
    (written,) = manifests("kubeflow-trainjob.yaml")
    parsed = models.TrainerV1alpha1TrainJob.from_dict(written)
    assert parsed is not None
    assert plain(parsed.to_dict()) == written  # an unknown key would be dropped


def plain(tree: Any) -> Any:
    """The API's models hold quantities and numbers in classes of their own."""
    if isinstance(tree, dict):
        return {key: plain(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [plain(value) for value in tree]
    return getattr(tree, "actual_instance", tree)


def test_both_cluster_manifests_run_the_same_container():
    _, job = manifests("kubernetes-job.yaml")
    (trainjob,) = manifests("kubeflow-trainjob.yaml")
    pod = job["spec"]["template"]["spec"]
    (container,), trainer = pod["containers"], trainjob["spec"]["trainer"]
    assert trainer["image"] == container["image"] == f"arcface-plus:{VERSION}"
    assert trainer["command"] == container["command"] == ["tini", "--", "torchrun"]
    assert trainer["args"] == OURS + RECIPE
    assert trainer["numNodes"] == job["spec"]["completions"]
    assert trainer["env"] == container["env"]
    assert trainer["resourcesPerNode"] == container["resources"]
    (patch,) = trainjob["spec"]["runtimePatches"]
    (node,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    patched = node["template"]["spec"]["template"]["spec"]
    assert patched["volumes"] == pod["volumes"]
    assert patched["containers"][0]["volumeMounts"] == container["volumeMounts"]
    for key in ("terminationGracePeriodSeconds", "securityContext"):
        assert patched[key] == pod[key]
    assert RECIPE[3] in recipes()


def test_the_grace_is_longer_than_torchruns():
    _, job = manifests("kubernetes-job.yaml")
    compose = yaml.safe_load((DOCKER / "compose.two-nodes.yaml").read_text(encoding="utf-8"))
    saving = int(OURS[1].split("=")[1])
    assert job["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > saving
    for service in compose["services"].values():
        assert int(service["stop_grace_period"].removesuffix("s")) > saving
    lead = re.search(r"--signal=B:USR1@(\d+)", (DOCKER / "slurm.sbatch").read_text("utf-8"))
    assert lead is not None
    assert int(lead[1]) > saving


def test_the_two_nodes_of_compose_differ_in_their_name_alone():
    one = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))["services"]["train"]
    compose = yaml.safe_load((DOCKER / "compose.two-nodes.yaml").read_text(encoding="utf-8"))
    nodes = compose["services"]
    assert [node.pop("hostname") for node in nodes.values()] == list(nodes)
    first, second = nodes.values()
    assert first == second
    endpoint = f"--rdzv-endpoint={next(iter(nodes))}:29500"
    assert first["command"][:8] == [
        "--nnodes=2", "--nproc-per-node=${PROCESSES:-1}", *C10D, endpoint, *OURS
    ]  # fmt: skip
    assert first["networks"] == list(compose["networks"])
    for key in ("image", "user", "read_only", "tmpfs", "cap_drop", "security_opt", "volumes",
                "mem_limit", "pids_limit", "shm_size"):  # fmt: skip
        assert first[key] == one[key], key


def test_the_batch_script_is_a_shell_script_with_our_options():
    script = (DOCKER / "slurm.sbatch").read_text(encoding="utf-8")
    assert all(option in script for option in OURS)
    bash = shutil.which("bash")
    assert bash is not None
    subprocess.run([bash, "-n", str(DOCKER / "slurm.sbatch")], check=True)


@pytest.mark.slow
def test_two_torchruns_on_one_machine_are_two_nodes(synthetic, tmp_path):
    """With the manifests' options; SIGTERM to one node saves the run of both."""
    run = tmp_path / "run"
    words = ["train", "demo_arcface", "--out", str(run),
             *set_words(f"data.train={synthetic}", "eval.targets=[]")]  # fmt: skip
    where = f"--rdzv-endpoint=127.0.0.1:{free_ports(1)[0]}"
    options = [*OURS[1:], "--max-restarts=0", "--nnodes=2", "--nproc-per-node=1", *C10D, where]
    command = [sys.executable, "-m", "torch.distributed.run", *options, "-m", "arcface_plus"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    said = [tmp_path / f"said.{node}" for node in (0, 1)]
    nodes = []
    try:
        for file in said:
            with open(file, "w") as stream:
                nodes.append(subprocess.Popen([*command, *words], env=environment,
                                              stdout=stream, stderr=stream))  # fmt: skip
        wait_until(lambda: (run / "metrics.jsonl").is_file() and len(lines(run)) > 3, "fourth step")
        nodes[1].send_signal(signal.SIGTERM)
        for node in nodes:
            assert node.wait(90) != 0
    finally:
        for node in nodes:
            node.kill()
    told = "".join(file.read_text() for file in said)
    assert told.count("demo_arcface: starts in ") == 1
    assert told.count("arcface-plus: interrupted at step ") == 1
    assert (run / "interrupted.json").is_file()
