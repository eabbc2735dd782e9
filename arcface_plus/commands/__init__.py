"""The groups of the command line; `arcface_plus.cli` joins them."""
