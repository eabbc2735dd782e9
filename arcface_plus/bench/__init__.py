"""Benchmarks behind the published figures, each against its baseline in the same run."""
