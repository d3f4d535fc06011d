"""Pictures of a flow, as texts and files: SVG to look at, Mermaid to put into a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, cast

from blocks_flows.drawing import draw_graph
from blocks_flows.errors import DrawingUnknown
from blocks_flows.graph import Graph
from blocks_flows.mermaid import to_mermaid
from blocks_flows.states import State
from blocks_flows.svg import to_svg

_FORMATS: Final = ("svg", "mermaid")
_SUFFIXES: Final = {".svg": "svg", ".mmd": "mermaid", ".mermaid": "mermaid", ".md": "mermaid"}


def visualize(
    graph: Graph,
    state: State | None = None,
    path: str | Path | None = None,
    format: str | None = None,  # noqa: A002 the word of the older generation
) -> str:
    """Return the picture of a graph as a text, and write it to a file.

    Args:    state: what `flow.run()` returned; the picture then shows the tasks' states.
             path: ends in `.svg`, `.mmd` or `.md`; in the last one the text is fenced.
             format: `svg`, or `mermaid`; by default as the path ends, else `svg`.
    Raises:  DrawingUnknown: the format or the suffix is another, or they contradict; OSError.
    """
    where = None if path is None else Path(path)
    wanted = _read_format(where, format)
    results: Any = None if state is None else state.result
    drawing = draw_graph(graph, cast("dict[Any, State]", results) if isinstance(results, dict) else None)
    text = to_svg(drawing) if wanted == "svg" else to_mermaid(drawing)
    if where is not None and where.suffix.lower() == ".md":
        text = f"```mermaid\n{text}```\n"
    if where is not None:
        where.write_text(text, encoding="utf-8", newline="\n")
    return text


def _read_format(path: Path | None, wanted: str | None) -> str:
    if wanted is not None and wanted not in _FORMATS:
        raise DrawingUnknown(
            f"{wanted!r} is no format that a flow can be drawn in. Give one of {', '.join(_FORMATS)}."
        )
    if path is None:
        return wanted or "svg"
    found = _SUFFIXES.get(path.suffix.lower())
    if found is None:
        raise DrawingUnknown(
            f"A flow cannot be drawn into '{path.name}': its suffix '{path.suffix}' stands for no format. "
            f"End the name in {', '.join(_SUFFIXES)}, such as '{path.stem or 'flow'}.svg'."
        )
    if wanted is not None and wanted != found:
        raise DrawingUnknown(
            f"A flow cannot be drawn as {wanted} into '{path.name}', which ends like a file of {found}. "
            f"Change the name, or leave the format out."
        )
    return found
