"""The typed config of a run, and error messages in the user's terms."""
