"""--fresh removes what a run has written, and nothing else, and can be repeated after a kill."""

from __future__ import annotations

from checkpoints import save

from arcface_plus.run_directory.discard import DISCARDED, discard, is_leftover


def run_in(folder):
    save(folder, 2)
    for name in ("config.yaml", "environment.json", "metrics.jsonl", "summary.json",
                 ".config.yaml.partial", "eval/step_00000002.json", "eval/step_00000002.npz",
                 "eval/.step_00000004.json.partial", "tb/events.out.tfevents.1.host",
                 "tracking.json", ".tracking.json.partial", "wandb/offline-run-1-a/run-a.wandb",
                 "wandb/latest-run", "wandb/debug.log", "wandb/debug-internal.log"):  # fmt: skip
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text("x")
    (folder / "checkpoints/.step_00000004.partial").mkdir()
    return folder


def left(folder) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_nothing_of_a_run_is_left(tmp_path):
    discard(run_in(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_users_own_files_stay(tmp_path):
    run_in(tmp_path)
    mine = {"notes.txt", "eval/lfw.json", "tb/notes.txt", "wandb/notes.txt",
            "checkpoints/best/model.safetensors",
            "checkpoints/step_2_copy/training.pt"}  # fmt: skip
    for name in mine:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    discard(tmp_path)
    assert left(tmp_path) == mine


def test_links_are_removed_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "step_00000002").mkdir(parents=True)
    (elsewhere / "step_00000002/mine").write_text("mine")
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.yaml").write_text("x")
    (run / "checkpoints/step_00000002").symlink_to(elsewhere / "step_00000002")
    discard(run)
    assert left(tmp_path) == {"elsewhere/step_00000002/mine"}


def test_it_can_be_repeated_after_a_kill_at_any_point(tmp_path):
    run_in(tmp_path)
    (tmp_path / "config.yaml").rename(tmp_path / DISCARDED)
    assert is_leftover(DISCARDED)
    discard(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_leftovers_are_files_a_run_had_begun_to_write():
    assert is_leftover(".config.yaml.partial")
    assert not is_leftover("config.yaml")
    assert not is_leftover(".thesis.tex.partial")
