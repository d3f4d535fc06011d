"""Forms made of JSON Schemas: for blocks, and for the parameters of flows. Plain data in, HTML and documents out."""

from blocks_server.forms.answers import Answer
from blocks_server.forms.choices import BlockChoice
from blocks_server.forms.errors import FormTooLarge
from blocks_server.forms.form import Filled, Form
from blocks_server.forms.reading import ACTION
from blocks_server.forms.rendering import render_form
from blocks_server.forms.views import MAX_SHOWN_BLOCKS, Page

__all__ = [
    "ACTION",
    "MAX_SHOWN_BLOCKS",
    "Answer",
    "BlockChoice",
    "Filled",
    "Form",
    "FormTooLarge",
    "Page",
    "render_form",
]
