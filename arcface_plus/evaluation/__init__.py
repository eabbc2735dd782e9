"""Evaluate a model on pair files, galleries and photos, and measure the angles of its weights."""
