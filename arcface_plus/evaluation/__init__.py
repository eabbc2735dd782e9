"""A model on pair files, galleries and photos, and the angles of its own weights."""
