"""The layer rule of the design, read off the imports."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("data_prep", "eval", "arcface_plus")
DOOR = "eval/__main__.py"  # `python -m eval` opens onto the command line

# file or folder → what it must not import
FORBIDDEN = {
    "data_prep": ("eval", "arcface_plus"),
    "eval": ("arcface_plus",),
    "arcface_plus/models": (
        "data_prep", "eval", "arcface_plus.data", "arcface_plus.config.tree", "arcface_plus.cli",
        "arcface_plus.commands", "arcface_plus.run_directory.checkpoint", "arcface_plus.training.trainer",
    ),
    "arcface_plus/training/optim.py": ("data_prep", "eval", "arcface_plus"),
    "arcface_plus/training/trainer.py": (
        "eval", "data_prep", "arcface_plus.evaluation.verification", "arcface_plus.config.tree",
        "arcface_plus.cli", "arcface_plus.commands", "arcface_plus.embedder.load",
    ),
    "arcface_plus/data": ("eval", "arcface_plus.models", "arcface_plus.config.tree", "arcface_plus.cli"),
}  # fmt: skip


def imports(file: Path) -> set[str]:
    """Modules that a file imports anywhere, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def breaches(root: Path) -> list[str]:
    found = []
    for place, forbidden in FORBIDDEN.items():
        target = root / place
        files = [target] if target.suffix == ".py" else sorted(target.rglob("*.py"))
        for file in files:
            name = file.relative_to(root).as_posix()
            if name == DOOR:
                continue
            found += [
                f"{name} imports {module}"
                for module in sorted(imports(file))
                if any(module == f or module.startswith(f + ".") for f in forbidden)
            ]
    return found


def test_nobody_reaches_up():
    assert breaches(ROOT) == []


def test_every_place_exists():
    assert all((ROOT / place).exists() for place in FORBIDDEN)


def test_mxnet_is_never_imported():
    for package in PACKAGES:
        for file in (ROOT / package).rglob("*.py"):
            assert not any(m.split(".")[0] == "mxnet" for m in imports(file)), file


def test_a_breach_is_seen(tmp_path):
    for place in FORBIDDEN:
        target = tmp_path / place
        (target.parent if target.suffix else target).mkdir(parents=True, exist_ok=True)
        if target.suffix:
            target.write_text("")
    (tmp_path / "arcface_plus/models/head.py").write_text("from data_prep import recordio\n")
    assert breaches(tmp_path) == ["arcface_plus/models/head.py imports data_prep.recordio"]
