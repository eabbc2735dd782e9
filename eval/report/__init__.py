"""A comparison → terminal, Markdown, HTML."""
