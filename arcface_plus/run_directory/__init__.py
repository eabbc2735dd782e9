"""RUN/ on disk: may it be used, checkpoints, metrics, what a run leaves behind."""
