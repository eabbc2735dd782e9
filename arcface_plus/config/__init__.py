"""The typed tree of a run, and complaints about it in the user's words."""
