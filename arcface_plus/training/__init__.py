"""The training loop and its parts: run, trainer, update, optimizer, resuming, divergence."""
