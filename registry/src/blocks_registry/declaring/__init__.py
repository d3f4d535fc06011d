"""Blocks declared in files: read, compared with what is saved, written in one step, and written out again."""

from blocks_registry.declaring.exporting import Exported, ExportOptions, chosen, export_blocks
from blocks_registry.declaring.planning import make_plan
from blocks_registry.declaring.plans import Plan, PlannedBlock, carry_out
from blocks_registry.declaring.reading import Declared, read_declared, read_raw
from blocks_registry.declaring.writing import documents, is_folder, write_file, write_folder

__all__ = [
    "Declared",
    "ExportOptions",
    "Exported",
    "Plan",
    "PlannedBlock",
    "carry_out",
    "chosen",
    "documents",
    "export_blocks",
    "is_folder",
    "make_plan",
    "read_declared",
    "read_raw",
    "write_file",
    "write_folder",
]
