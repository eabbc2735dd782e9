"""The layer rule of the design, checked on the imports: what is not listed here is a breach.

A box is a package, a folder of arcface_plus, or one of its loose files. Boxes are listed from the
bottom up, and each may import only boxes before it in this list that its line names. So there are
no upward imports and no cycles.
"""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("data_prep", "eval", "arcface_plus")
DOOR = "eval/__main__.py"  # `python -m eval` starts the command line

ALLOWED: dict[str, set[str]] = {
    "data_prep": set(),
    "eval": {"data_prep"},
    "arcface_plus": set(),  # its __init__.py
    "torchrun": set(),
    "watchdog": {"torchrun"},
    "signals": {"torchrun", "watchdog"},
    "runtime": {"data_prep", "torchrun"},
    "console": {"data_prep"},
    "models": {"data_prep.crop_size"},
    "training.optimizers": set(),
    "training.schedules": set(),
    "run_directory.sinks": {"data_prep"},
    "sphere": {"data_prep", "models"},
    "config": {
        "data_prep", "models", "arcface_plus", "training.optimizers", "training.schedules",
        "run_directory.sinks",
    },
    "data": {"data_prep", "runtime"},
    "run_directory": {
        "data_prep", "torchrun", "runtime", "console", "config", "models", "arcface_plus",
        "run_directory.sinks",
    },
    "embedder": {"data_prep", "config", "models", "data", "run_directory"},
    "evaluation": {"data_prep", "eval", "models", "data", "run_directory", "embedder"},
    "training": {
        "data_prep", "torchrun", "signals", "runtime", "console", "models", "config", "data",
        "run_directory", "embedder", "evaluation", "training.optimizers", "training.schedules",
        "run_directory.sinks",
    },
    "gan": {
        "data_prep", "torchrun", "signals", "runtime", "console", "models", "config", "data",
        "run_directory", "embedder", "evaluation", "training", "training.optimizers",
        "run_directory.sinks",
    },
    "studies": {
        "data_prep", "eval", "signals", "console", "config", "run_directory", "evaluation",
        "training",
    },
    "bench": {
        "data_prep", "eval", "runtime", "models", "config", "data", "run_directory", "embedder",
        "evaluation", "training",
    },
    "commands": {
        "data_prep", "eval", "runtime", "console", "models", "config", "data", "run_directory",
        "embedder", "evaluation", "training", "bench", "studies", "sphere", "gan",
    },
    "cli": {
        "data_prep", "arcface_plus", "torchrun", "watchdog", "signals", "runtime", "console",
        "training", "commands",
    },
    "__main__": {"torchrun", "watchdog", "signals", "cli"},
}  # fmt: skip

# Inside a box, where the design says more: the trainer is handed its parts.
STRICTER = {
    "arcface_plus/training/trainer.py": {
        "training", "training.schedules", "models", "data", "run_directory", "console", "signals",
        "runtime", "data_prep.errors",
    },
}  # fmt: skip


def modules(root: Path) -> dict[str, Path]:
    """Every module of the three packages by its dotted name."""
    found = {}
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            name = ".".join(file.relative_to(root).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = file
    return found


def imports(file: Path, known: dict[str, Path]) -> set[str]:
    """Modules of ours that a file imports anywhere, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in known else str(node.module) for name in whole}
    return {name for name in found if name.split(".")[0] in PACKAGES}


def box(module: str) -> str:
    parts = module.split(".")
    nested = module.removeprefix("arcface_plus.").split(".")[:2]
    if ".".join(nested) in ALLOWED:  # components that the config has to know lie below it
        return ".".join(nested)
    return parts[1] if parts[0] == "arcface_plus" and len(parts) > 1 else parts[0]


def breaches(root: Path) -> list[str]:
    known = modules(root)
    found = []
    for name, file in known.items():
        place = file.relative_to(root).as_posix()
        if place == DOOR:
            continue
        allowed = STRICTER.get(place, ALLOWED.get(box(name), set()) | {box(name)})
        found += [
            f"{place} imports {module}"
            for module in sorted(imports(file, known))
            if box(module) not in allowed and module not in allowed
        ]
    return found


def test_every_import_is_allowed():
    assert breaches(ROOT) == []


def test_boxes_only_import_lower_ones():
    order = list(ALLOWED)
    for name, allowed in ALLOWED.items():
        assert all(order.index(box(a)) < order.index(name) for a in allowed), name


def test_every_box_exists_and_is_listed():
    assert {box(module) for module in modules(ROOT)} == set(ALLOWED)


def test_files_of_a_box_have_no_import_cycles():
    known = modules(ROOT)
    below = {
        name: {m for m in imports(file, known) if m in known and box(m) == box(name)} - {name}
        for name, file in known.items()
        if not file.name.startswith("__init__")
    }
    state: dict[str, int] = {}

    def visit(name: str, trail: list[str]) -> None:
        assert state.get(name) != 1, " → ".join([*trail, name])
        if name in state or name not in below:
            return
        state[name] = 1
        for other in sorted(below[name]):
            visit(other, [*trail, name])
        state[name] = 2

    for name in below:
        visit(name, [])


def test_mxnet_is_never_imported():
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
                assert not any(name.split(".")[0] == "mxnet" for name in names), file


def test_breaches_are_seen(tmp_path):
    for folder in ("data_prep", "arcface_plus/models", "arcface_plus/commands"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data_prep/recordio.py").write_text("")
    (tmp_path / "arcface_plus/commands/train.py").write_text("")
    (tmp_path / "arcface_plus/models/head.py").write_text("from data_prep import recordio\n")
    (tmp_path / "arcface_plus/runtime.py").write_text(
        "def f():\n    from arcface_plus.commands.train import train\n"
    )
    assert breaches(tmp_path) == [
        "arcface_plus/models/head.py imports data_prep.recordio",
        "arcface_plus/runtime.py imports arcface_plus.commands.train",
    ]
