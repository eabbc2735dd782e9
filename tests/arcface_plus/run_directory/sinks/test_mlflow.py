"""MLflow on a real SQLite file: one run, however often it is resumed."""

from __future__ import annotations

import pytest
from sink_facts import VALUES, facts

pytest.importorskip("mlflow", reason="needs `pip install arcface-plus[mlflow]`")

from mlflow.tracking import MlflowClient

from arcface_plus.run_directory.sinks.mlflow import DATABASE, MLflow


@pytest.fixture(autouse=True)
def _no_server(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def run(tmp_path):
    (tmp_path / "runs" / "a").mkdir(parents=True)
    return tmp_path / "runs" / "a"


def tracked(run):
    """The client, and all runs that were recorded beside `run`."""
    client = MlflowClient(f"sqlite:///{run.parent / DATABASE}")
    experiment = client.get_experiment_by_name("arcface-plus")
    return client, client.search_runs([experiment.experiment_id])


def curve(client, tracked_run, tag: str) -> list[tuple[int, float]]:
    history = client.get_metric_history(tracked_run.info.run_id, tag)
    return sorted((metric.step, metric.value) for metric in history)


def test_config_environment_figures_and_accuracies_arrive(run, monkeypatch):
    monkeypatch.chdir(run)
    sink = MLflow(facts(run))
    sink.log(1, {"step": 1, **VALUES})
    sink.log_verification(1, {"lfw": 0.75})
    sink.finish({"lfw": 0.75})
    sink.close()
    client, (found,) = tracked(run)
    assert (found.info.run_name, found.info.status) == ("a run", "FINISHED")
    assert found.data.params == {
        "optimizer.lr": "0.1", "eval.targets": '["lfw"]', "model.init": "null",
    }  # fmt: skip
    assert found.data.tags["git_revision"] == "abc123"
    assert found.data.tags["device"] == "a CPU"
    assert found.data.tags["final.lfw"] == "0.7500"
    assert curve(client, found, "train/loss") == [(1, 2.5)]
    assert curve(client, found, "eval/lfw") == [(1, 0.75)]
    assert sorted(p.name for p in run.iterdir()) == ["tracking.json"]  # no mlruns in the cwd


def test_a_killed_run_continues_and_logs_no_step_twice(run):
    first = MLflow(facts(run))
    for step in (1, 2, 3):
        first.log(step, {"loss": float(step)})
    _, (found,) = tracked(run)
    assert found.info.status == "RUNNING"
    changed = {**facts(run).config, "optimizer.lr": 0.05, "optimizer.new": 1}
    second = MLflow(facts(run, first_step=2, last_logged=3, config=changed))
    for step in (3, 4):
        second.log(step, {"loss": float(step)})
    second.close()
    client, (found,) = tracked(run)
    assert curve(client, found, "train/loss") == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert found.info.status == "KILLED"  # it was not finished
    assert (found.data.params["optimizer.lr"], found.data.tags["optimizer.lr"]) == ("0.1", "0.05")
    assert found.data.params["optimizer.new"] == "1"


def test_a_run_that_was_deleted_there_begins_anew(run):
    MLflow(facts(run)).close()
    client, (found,) = tracked(run)
    client.delete_run(found.info.run_id)
    second = MLflow(facts(run, first_step=2, last_logged=3))
    second.log(3, {"loss": 3.0})
    second.close()
    client, (other,) = tracked(run)
    assert other.info.run_id != found.info.run_id
    assert curve(client, other, "train/loss") == [(3, 3)]


def test_a_sink_that_is_added_later_takes_every_step_from_then_on(run):
    sink = MLflow(facts(run, first_step=2, last_logged=3))
    sink.log(3, {"loss": 3.0})
    sink.close()
    client, (found,) = tracked(run)
    assert curve(client, found, "train/loss") == [(3, 3)]


def test_a_database_is_made_whole_or_not_at_all(run, monkeypatch):
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.link", killed)
    with pytest.raises(KeyboardInterrupt):
        MLflow(facts(run))
    assert [p.name for p in run.parent.iterdir()] == ["a"]

    def slower(made, path) -> None:
        path.write_bytes(made.read_bytes())  # another run's
        raise FileExistsError(path)

    monkeypatch.setattr("os.link", slower)
    MLflow(facts(run)).close()
    _, found = tracked(run)
    assert len(found) == 1
    assert {p.name for p in run.parent.iterdir()} == {"a", DATABASE}


def test_more_settings_than_mlflow_takes_at_once(run):
    config = {f"key{i}": i for i in range(230)} | {"long": "x" * 10_000}
    MLflow(facts(run, config=config)).close()
    _, (found,) = tracked(run)
    assert len(found.data.params) == 231
    assert found.data.params["key229"] == "229"
