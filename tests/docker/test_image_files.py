"""The files the image is made of fit the project and each other; docker/ci_build.sh builds it."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from arcface_plus.config.recipes import recipes

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "docker"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REQUIREMENT_NAME = re.compile(r"[A-Za-z0-9._-]+")


def instructions() -> list[tuple[str, str]]:
    """(keyword, arguments) of each instruction, comments dropped and continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    split = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return [(keyword, " ".join(rest.split())) for keyword, rest in split]


def arguments_of(keyword: str) -> list[str]:
    return [rest for found, rest in instructions() if found == keyword]


def load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCKER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compose(**environment: str) -> dict[str, Any]:
    """compose.yaml with ${NAME:-default} and ${NAME:?complaint} filled in, as Compose does."""

    def fill(match: re.Match[str]) -> str:
        name, operator, rest = match.groups()
        if name in environment:
            return environment[name]
        assert operator == ":-", f"{name}: {rest}"
        return rest

    text = (DOCKER / "compose.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(re.sub(r"\$\{(\w+)(:-|:\?)([^}]*)\}", fill, text))


def test_entry_point_is_the_installed_command():
    assert json.loads(arguments_of("ENTRYPOINT")[-1]) == ["tini", "--", "arcface-plus"]
    assert json.loads(arguments_of("CMD")[-1]) == ["--help"]
    assert "arcface-plus" in PROJECT["scripts"]


def test_user_is_not_root_and_numeric():
    assert arguments_of("USER") == ["1000:1000"]


def test_image_version_is_the_package_version():
    assert f"VERSION={PROJECT['version']}" in arguments_of("ARG")


def test_default_base_has_a_python_the_package_accepts():
    (base,) = [rest for rest in arguments_of("ARG") if rest.startswith("BASE_IMAGE=")]
    version = re.fullmatch(r"BASE_IMAGE=python:3\.(\d+)-slim-bookworm", base)
    least = re.fullmatch(r">=3\.(\d+)", PROJECT["requires-python"])
    assert version is not None
    assert least is not None
    assert int(version[1]) >= int(least[1])
    assert arguments_of("FROM") == ["${BASE_IMAGE}"]


def test_dockerfile_names_no_second_list_of_dependencies():
    """PyTorch has its own layer; every other dependency comes from pyproject.toml."""
    named: set[str] = set()
    for rest in arguments_of("RUN"):
        for call in re.findall(r"pip install ([^&|;]*)", rest):
            words = re.sub(r"--(constraint|requirement) \S+", "", call).split()
            named |= {word for word in words if not word.startswith("-") and word != "."}
    assert named == {"torch", "torchvision"}


def test_pytorch_layer_depends_on_constraints_alone_and_code_comes_after_dependencies():
    order = [f"{keyword} {rest}" for keyword, rest in instructions()]
    pytorch = next(i for i, line in enumerate(order) if " torch " in line)
    others = next(i for i, line in enumerate(order) if "--requirement" in line)
    code = order.index("COPY . .")
    assert [line for line in order[:pytorch] if line.startswith(("COPY", "ADD"))] == [
        "COPY constraints.txt ."
    ]
    assert pytorch < others < code
    assert all("--no-deps" in line for line in order[code:] if "pip install" in line)


def test_requirements_are_those_of_pyproject():
    printed = subprocess.run(
        [sys.executable, DOCKER / "list_requirements.py", ROOT / "pyproject.toml", "onnx"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    assert set(PROJECT["dependencies"]) <= set(printed)
    assert set(PROJECT["optional-dependencies"]["onnx"]) <= set(printed)
    assert any(line.startswith("setuptools") for line in printed)
    assert not any(line.startswith("pytest") for line in printed)


def test_constraints_pin_everything_the_image_installs():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in lines if "==" in line}
    for requirement in PROJECT["dependencies"] + PROJECT["optional-dependencies"]["onnx"]:
        name = REQUIREMENT_NAME.match(requirement)
        assert name is not None
        assert name[0].lower() in pinned, requirement


def test_no_instruction_that_podman_of_bookworm_ignores_or_refuses():
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert not arguments_of("HEALTHCHECK")
    assert not re.search(r"^(RUN|COPY)\s.*<<", text, re.MULTILINE)


def test_every_package_and_every_copied_file_enters_the_build():
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    let_in = [line[1:] for line in lines if line.startswith("!")]
    assert "*" in lines
    tree = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = {name.partition(".")[0] for name in tree["tool"]["setuptools"]["packages"]}
    wanted |= {"configs", "constraints.txt", "pyproject.toml", "docker/list_requirements.py"}
    wanted |= {PROJECT["readme"], *PROJECT["license-files"]}
    assert set(let_in) == wanted
    assert all((ROOT / path).exists() for path in let_in)


def test_every_cache_goes_to_tmp():
    environment = " ".join(arguments_of("ENV"))
    for name in ("HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR", "TORCHINDUCTOR_CACHE_DIR"):
        assert re.search(rf"\b{name}=/tmp\b", environment), name
    assert "NVIDIA_VISIBLE_DEVICES=all" in environment
    assert "NVIDIA_DRIVER_CAPABILITIES=compute,utility" in environment


SERVICES = compose(DATA="/disk/data", RUNS="/disk/runs")["services"]


@pytest.mark.parametrize("service", SERVICES)
def test_compose_services_run_narrowly(service: str):
    found = SERVICES[service]
    assert found["image"] == "arcface-plus"
    assert found["user"] == "1000:1000"
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert any(mount.startswith("/tmp:") and "exec" in mount for mount in found["tmpfs"])
    mounts = {mount["target"]: mount for mount in found["volumes"]}
    assert mounts["/runs"]["source"] == "/disk/runs"
    assert mounts["/runs"].get("read_only", False) is (service == "tensorboard")
    assert "/data" not in mounts or mounts["/data"]["read_only"] is True
    assert all(isinstance(word, str) for word in found["command"])


def gigabytes(limit: str) -> int:
    match = re.fullmatch(r"([1-9]\d*)g", limit)
    assert match is not None, f"{limit}: expected a number of gigabytes, such as 4g"
    return int(match[1])


@pytest.mark.parametrize("service", SERVICES)
def test_compose_services_have_limits(service: str):
    """Of memory, of processes, and of what /tmp may take of that memory."""
    found = SERVICES[service]
    (tmp,) = found["tmpfs"]
    size = re.search(r"\bsize=(\w+)", tmp)
    assert size is not None
    assert 0 < gigabytes(size[1]) < gigabytes(found["mem_limit"])
    assert 0 < found["pids_limit"] <= 4096


def test_memory_for_training_can_be_chosen():
    services = compose(DATA="/d", RUNS="/r", MEMORY="200g")["services"]
    assert services["train"]["mem_limit"] == "200g"


@pytest.mark.parametrize("service", SERVICES)
def test_compose_services_have_an_init(service: str):
    """The image's own, or one that takes its place."""
    assert SERVICES[service].get("entrypoint", ["tini", "--"])[:2] == ["tini", "--"]


def test_compose_has_a_gpu_for_training_and_a_recipe_that_is_shipped():
    services = compose(DATA="/disk/data", RUNS="/disk/runs")["services"]
    (device,) = services["train"]["deploy"]["resources"]["reservations"]["devices"]
    assert device["driver"] == "nvidia"
    assert device["capabilities"] == ["gpu"]
    assert services["train"]["command"][1] in recipes()
    chosen = compose(DATA="/d", RUNS="/r", RUN="mine", OWNER="7:8")["services"]["evaluate"]
    assert "/runs/mine" in chosen["command"]
    assert chosen["user"] == "7:8"


def test_compose_asks_for_the_folders_it_cannot_guess():
    with pytest.raises(AssertionError, match=r"DATA: the folder with train\.rec"):
        compose(RUNS="/disk/runs")


@pytest.mark.parametrize("script", ["build.sh", "ci_build.sh", "smoke_test.sh"])
def test_scripts_are_executable_and_parse(script: str):
    assert os.access(DOCKER / script, os.X_OK)
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash")
    subprocess.run([bash, "-n", DOCKER / script], check=True)


def test_smoke_test_names_a_shipped_recipe():
    text = (DOCKER / "smoke_test.sh").read_text(encoding="utf-8")
    recipes = re.findall(r"configs/\w+\.yaml", text)
    assert recipes
    assert all((ROOT / recipe).is_file() for recipe in recipes)


def test_environment_wins_over_files_in_the_hosts_pip_options():
    options = load_script("host_pip").host_options(
        "global.index-url='https://one.example/simple'\n"
        "install.no_index='false'\n"
        ":env:.index-url='https://two.example/simple'\n"
    )
    assert options == {"index-url": "https://two.example/simple", "no-index": "false"}


def test_local_directories_of_the_hosts_pip_options_are_mounted(tmp_path: Path):
    host_pip = load_script("host_pip")
    index = tmp_path / "index" / "simple"
    wheels = tmp_path / "wheels"
    index.mkdir(parents=True)
    wheels.mkdir()
    options = {
        "index-url": "https://one.example/simple",
        "extra-index-url": f"https://two.example/simple\n{index.as_uri()}",
        "find-links": f"{wheels} https://three.example/wheels {tmp_path / 'gone'}",
    }
    assert host_pip.local_directories(options) == [index.parent, wheels]
    written = host_pip.pip_conf({**options, "user": "true"}, certificates=True)
    assert f"    {index.as_uri()}\n" in written
    assert written.endswith(f"cert = {host_pip.MOUNTED_CERTIFICATES}\n")
    assert "user" not in written
