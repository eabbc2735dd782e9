"""The loop and what it is made of: run, trainer, one update, optimizer, resuming, divergence."""
