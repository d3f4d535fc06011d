"""The errors of forms.

BlocksError
└── FormTooLarge      a schema, a value or what was sent is larger or deeper than a form takes

What does not fit at a field is no error here: it is shown at the field.
"""

from __future__ import annotations

from blocks_core.errors import LimitExceeded


class FormTooLarge(LimitExceeded):
    """A schema, a value or what was sent is larger or deeper than a form takes; nothing was made of it."""
