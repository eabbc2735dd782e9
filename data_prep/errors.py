"""What goes wrong because of the user's input, as opposed to a bug of ours.

The command line turns these into one line on stderr and exit status 2; a traceback is shown only
with ``--debug``. Messages name the thing (file, key, record, pair, byte offset) and the mend.
"""

from __future__ import annotations


class UserError(ValueError):
    """The user can mend this: a wrong option, path, configuration or combination of them."""


class DataError(UserError):
    """A file is missing, truncated, corrupt or not what its name says."""
