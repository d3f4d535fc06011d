"""Pictures of flows: what is in them, where it is, and that no name breaks them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blocks_core.mask import SECRETS_IN_USE
from blocks_flows import Flow, Parameter, task, unmapped
from blocks_flows.arguments import flatten
from blocks_flows.control_flow import case, merge
from blocks_flows.drawing import Drawing, Kind, Line, draw_graph, shown_text
from blocks_flows.errors import DrawingUnknown
from blocks_flows.layering import Span, lay_out
from blocks_flows.mermaid import to_mermaid
from blocks_flows.palette import DARK, LIGHT
from blocks_flows.states import State, StateType
from blocks_flows.svg import to_svg
from blocks_flows.visualizing import visualize

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "</title><script>alert(1)</script>",
    "\"quoted\" & 'single' ]]>",
    "1. list",
    "a#quot;b `tick` %%{init}%%",
    "x]] --> y | {{braces}}; end",
    "\\n\\t",
    "two\nlines\x00\x1b[31m\ud800\uffff\u202egnp.exe",
    "한국어 이름",
    "--> n1",
    "$$x^2$$ fa:fa-car",
]


def named(name: str, *, fails: bool = False):
    def work(*_values):
        if fails:
            raise ValueError(f"{name} is bad")
        return [1, 2, 3]

    return task(work, name=name)


def training() -> Flow:
    """The ninth of the programs that flows are measured by, with one model that cannot be trained."""

    @task
    def train_model(_data, alpha):
        if alpha == 0.1:
            raise ValueError("it does not converge")
        return f"model_{alpha}"

    with Flow("training") as f:
        alphas = Parameter("alphas", default=[1.0, 0.1, 0.01])
        data = named("download_dataset")()
        parts = named("preprocess_dataset")(data)
        models = train_model.map(unmapped(parts[0]), alphas)
        scores = named("evaluate_model").map(models, unmapped(parts[1]))
        cleanup = named("cleanup_file").map(flatten([[data], models, parts]))
        cleanup.set_upstream(scores)
    return f


def lines_of(drawing: Drawing) -> set[tuple[str, str, Line]]:
    return {
        (drawing.boxes[edge.above].label, drawing.boxes[edge.below].label, edge.line)
        for edge in drawing.edges
    }


def box_of(drawing: Drawing, label: str):
    (found,) = [box for box in drawing.boxes if box.label == label]
    return found


def test_a_drawing_has_the_tasks_and_how_they_wait_for_each_other() -> None:
    drawing = draw_graph(training().graph)
    assert {box.label: box.kind for box in drawing.boxes} == {
        "alphas": Kind.PARAMETER,
        "download_dataset": Kind.TASK,
        "preprocess_dataset": Kind.TASK,
        "preprocess_dataset[0]": Kind.STEP,
        "preprocess_dataset[1]": Kind.STEP,
        "train_model": Kind.MAPPED,
        "evaluate_model": Kind.MAPPED,
        "cleanup_file": Kind.MAPPED,
    }
    assert lines_of(drawing) == {
        ("download_dataset", "preprocess_dataset", Line.DATA),
        ("preprocess_dataset", "preprocess_dataset[0]", Line.DATA),
        ("preprocess_dataset", "preprocess_dataset[1]", Line.DATA),
        ("preprocess_dataset[0]", "train_model", Line.DATA),
        ("alphas", "train_model", Line.MAPPED),
        ("train_model", "evaluate_model", Line.MAPPED),
        ("preprocess_dataset[1]", "evaluate_model", Line.DATA),
        ("download_dataset", "cleanup_file", Line.DATA),
        ("train_model", "cleanup_file", Line.DATA),
        ("preprocess_dataset", "cleanup_file", Line.DATA),
        ("evaluate_model", "cleanup_file", Line.ORDER),
    }
    assert drawing.state_types() == []


def test_after_a_run_it_has_the_states_and_of_mapped_tasks_how_many() -> None:
    f = training()
    drawing = draw_graph(f.graph, f.run().result)
    train = box_of(drawing, "train_model")
    assert (train.state_type, train.state_name) == (StateType.FAILED, "Mapped")
    assert train.counts == ((StateType.SUCCESS, "Success", 2), (StateType.FAILED, "Failed", 1))
    assert box_of(drawing, "evaluate_model").counts[1] == (StateType.FAILED, "TriggerFailed", 1)
    assert box_of(drawing, "alphas").state_type is StateType.SUCCESS
    assert drawing.state_types() == [StateType.SUCCESS, StateType.FAILED]


def test_cases_and_merges_are_branches_and_what_was_not_taken_is_skipped() -> None:
    with Flow("f") as f:
        rows = Parameter("rows", default=3)
        with case(rows > 2, True):
            many = named("many")()
        with case(rows > 2, False):
            few = named("few")()
        named("deploy")(merge(many, few))
    drawing = draw_graph(f.graph, f.run().result)
    assert box_of(drawing, "case(True)").kind is Kind.BRANCH
    assert box_of(drawing, "merge").kind is Kind.BRANCH
    assert box_of(drawing, "few").state_type is StateType.SKIPPED
    assert ("case(False)", "few", Line.ORDER) in lines_of(drawing)


def test_a_picture_is_the_same_each_time() -> None:
    f = training()
    state = f.run()
    for make in (to_svg, to_mermaid):
        assert make(draw_graph(f.graph, state.result)) == make(draw_graph(f.graph, state.result))
        assert make(draw_graph(training().graph)) == make(draw_graph(f.graph))


def test_an_svg_needs_nothing_else_is_light_and_dark_and_explains_itself() -> None:
    f = training()
    text = to_svg(draw_graph(f.graph, f.run().result))
    root = ET.fromstring(text)
    assert root.tag == f"{SVG}svg"
    assert "@media (prefers-color-scheme:dark)" in text
    assert "<script" not in text
    assert "href" not in text
    assert "url(" not in text
    assert {each.tag.removeprefix(SVG) for each in root.iter()} == {
        *("svg", "title", "style", "rect", "text", "tspan", "g", "path", "circle"),
    }
    words = "".join(root.itertext())
    for shown in ("Flow 'training'", "2 Success, 1 Failed", "mapped over", "waits for", "TriggerFailed"):
        assert shown in words
    titles = [each.text for each in root.iter(f"{SVG}title")]
    assert (
        "train_model (mapped task)\nMapped: 1 of 3 mapped runs did not succeed.\n2 Success\n1 Failed"
        in titles
    )
    assert "cleanup_file waits for evaluate_model" in titles


def test_an_empty_flow_has_a_picture_too() -> None:
    with Flow("nothing") as f:
        pass
    assert "nothing" in visualize(f.graph)
    assert visualize(f.graph, format="mermaid").startswith('---\ntitle: "nothing"\n---\nflowchart TD\n')


def test_each_state_has_a_colour_that_is_its_own() -> None:
    for palette in (LIGHT, DARK):
        assert set(palette) == set(StateType)
        assert len({shade.strong for shade in palette.values()}) == len(StateType)
        assert all(
            re.fullmatch("#[0-9a-f]{6}", each)
            for shade in palette.values()
            for each in (shade.strong, shade.faint)
        )


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_break_neither_form(name) -> None:
    with Flow(name) as f:
        named(name)(Parameter("plain", default=1))
    text = to_svg(draw_graph(f.graph))
    root = ET.fromstring(text)
    assert shown_text(name) in ["".join(each.itertext()) for each in root.iter(f"{SVG}text")]
    assert "<script" not in text
    lines = to_mermaid(draw_graph(f.graph)).splitlines()
    assert len(lines) == 7
    (label,) = re.fullmatch(r'    n1\["([^"<>`\\{}|]*)"\]', lines[5]).groups()
    decoded = re.sub(r"#(\d+);", lambda found: chr(int(found[1])), label)
    assert decoded.replace("\u200b", "") == shown_text(name)


@given(st.text(max_size=30), st.text(max_size=30))
@settings(max_examples=60)
def test_any_name_makes_an_xml_that_can_be_read(name, message) -> None:
    with Flow(name) as f:
        placed = named(name or "x")()
    failed = State(StateType.FAILED, name, 0.0, message)
    ET.fromstring(to_svg(draw_graph(f.graph, {placed: failed})).encode("utf-8"))


def test_secrets_in_names_and_messages_are_not_drawn() -> None:
    SECRETS_IN_USE.add({"hunter2-hunter2"})
    with Flow("of hunter2-hunter2") as f:
        placed = named("use hunter2-hunter2")()
    failed = State(StateType.FAILED, "Failed hunter2-hunter2", 0.0, "wrong: hunter2-hunter2")
    for make in (to_svg, to_mermaid):
        assert "hunter2" not in make(draw_graph(f.graph, {placed: failed}))


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 40))
    pairs = draw(st.sets(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)), max_size=80))
    spans = [
        Span(min(pair), max(pair), draw(st.sampled_from(["a", "b"])))
        for pair in sorted(pairs)
        if pair[0] != pair[1]
    ]
    sizes = [(draw(st.floats(20, 300)), draw(st.floats(20, 60))) for _ in range(count)]
    return sizes, list({(span.above, span.below): span for span in spans}.values())


@given(graphs())
@settings(max_examples=60)
def test_boxes_do_not_overlap_and_lines_lead_down(graph) -> None:
    sizes, spans = graph
    layout = lay_out(sizes, spans)
    boxes = [
        (corner.x, corner.y, corner.x + width, corner.y + height)
        for corner, (width, height) in zip(layout.corners, sizes, strict=True)
    ]
    for place, one in enumerate(boxes):
        assert -0.01 <= one[0] <= one[2] <= layout.width + 0.01
        assert -0.01 <= one[1] <= one[3] <= layout.height + 0.01
        for other in boxes[:place]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    for span, way in zip(spans, layout.ways, strict=True):
        assert all(end.y >= start.y - 1e-6 for start, end in pairwise(way))
        above, below = boxes[span.above], boxes[span.below]
        assert way[0].y == pytest.approx(above[3])
        assert way[-1].y == pytest.approx(below[1])
        assert above[0] <= way[0].x <= above[2]
        assert below[0] <= way[-1].x <= below[2]
        for start, end in list(pairwise(way))[2:-1:2]:  # where it passes a layer, it does so beside the boxes
            assert start.x == end.x
            for left, top, right, bottom in boxes:
                assert not (left < start.x < right and start.y <= top and bottom <= end.y)


def test_many_tasks_side_by_side_are_laid_in_rows() -> None:
    spans = [Span(0, place, "a") for place in range(1, 201)] + [
        Span(place, 201, "a") for place in range(1, 201)
    ]
    layout = lay_out([(100.0, 40.0)] * 202, spans)
    assert layout.width < 60 * 128
    assert layout.height < 40 * 96


def test_a_chain_is_a_straight_line() -> None:
    layout = lay_out([(100.0, 40.0)] * 50, [Span(place, place + 1, "a") for place in range(49)])
    assert {corner.x for corner in layout.corners} == {0.0}


def test_two_thousand_tasks_with_a_line_from_each_to_many_are_drawn() -> None:
    with Flow("large") as f:
        placed = [named("first")()]
        for place in range(1, 2000):
            placed.append(named(f"task {place}")(placed[place - 1], placed[place // 2], placed[0]))
    root = ET.fromstring(to_svg(draw_graph(f.graph)))
    assert sum(each.get("class", "").startswith("box") for each in root.iter(f"{SVG}g")) == 2000


def test_a_picture_is_written_as_its_name_ends(tmp_path) -> None:
    f = training()
    state = f.run()
    svg = visualize(f.graph, state, tmp_path / "flow.svg")
    assert (tmp_path / "flow.svg").read_text(encoding="utf-8") == svg
    mermaid = visualize(f.graph, state, str(tmp_path / "flow.mmd"))
    assert (tmp_path / "flow.mmd").read_text(encoding="utf-8") == mermaid
    assert "classDef Failed fill:" in mermaid
    visualize(f.graph, path=tmp_path / "flow.MD", format="mermaid")
    fenced = (tmp_path / "flow.MD").read_text(encoding="utf-8")
    assert fenced.startswith("```mermaid\n---\n")
    assert fenced.endswith("\n```\n")
    assert "classDef" not in fenced


@pytest.mark.parametrize(
    ("path", "form", "said"),
    [
        ("flow.pdf", None, "its suffix '.pdf' stands for no format. End the name in .svg, .mmd"),
        ("flow", None, "such as 'flow.svg'"),
        ("flow.svg", "mermaid", "ends like a file of svg"),
        (None, "dot", "'dot' is no format that a flow can be drawn in. Give one of svg, mermaid"),
    ],
)
def test_another_form_is_refused_and_nothing_is_written(path, form, said, tmp_path) -> None:
    where = None if path is None else tmp_path / path
    with pytest.raises(DrawingUnknown) as raised:
        visualize(training().graph, path=where, format=form)
    assert said in str(raised.value)
    assert list(tmp_path.glob("flow*")) == []


def test_the_state_of_a_run_that_never_began_is_drawn_as_the_flow_alone() -> None:
    crashed = State(StateType.CRASHED, "Crashed", 0.0, result=ValueError("x"))
    assert visualize(training().graph, crashed) == visualize(training().graph)
