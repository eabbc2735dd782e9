"""RUN/ on disk: checks before use, checkpoints, metrics and the other files of a run."""
