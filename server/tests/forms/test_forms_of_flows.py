"""The form of a flow's parameters: the same code, and plain JSON comes out."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal
from uuid import uuid4

from form_browser import FormPage
from form_stage import PAGE
from pydantic import BaseModel, SecretStr

from blocks_core import Storage
from blocks_core.document import Encoded
from blocks_flows import Flow, Parameter, flow
from blocks_server.forms import BlockChoice, Form, render_form


class Window(BaseModel):
    start: date
    days: int = 1


@flow
def etl(
    day: date,
    target: Storage,
    window: Window | None = None,
    mode: Literal["full", "delta"] = "full",
    token: SecretStr | None = None,
    anything=None,
    names: list[str] = ["a"],  # noqa: B006
    **more: Any,
):
    """A flow of many parameters."""


CHOICES = (BlockChoice(uuid4(), "s3", "raw", ("storage",)), BlockChoice(uuid4(), "secret", "x"))


def test_parameters_are_asked_for_and_given_as_a_flow_takes_them():
    form = Form.of(etl.parameter_schema())
    page = FormPage(str(render_form(form.show(None, CHOICES), PAGE)))
    assert "s3/raw" in page.text
    assert "secret/x" not in page.text
    assert "Stored in this block" not in page.text
    filled = form.read(page.sent(), None, CHOICES)
    assert filled.problems == {"day": "is required", "target": "is required"}
    changes = {"day": "2026-01-31", "target": str(CHOICES[0].id), "token": "set", "token~value": "hunter2"}
    filled = form.read(page.sent(changes), None, CHOICES)
    assert filled.answer.plain() == {
        "day": "2026-01-31",
        "target": "s3/raw",
        "window": None,
        "mode": "full",
        "token": "hunter2",
        "anything": None,
        "names": ["a"],
    }


def test_parameters_of_an_earlier_run_are_shown_again():
    form = Form.of(etl.parameter_schema())
    given = {
        "day": "2026-02-01",
        "target": "s3/raw",
        "window": {"start": "2026-01-01", "days": 3},
        "extra": [1],
    }
    filled = form.show(Encoded(given), CHOICES)
    page = FormPage(str(render_form(filled, PAGE)))
    plain = form.read(page.sent(), Encoded(given), CHOICES).answer.plain()
    assert {key: plain[key] for key in given} == given


def test_parameters_of_a_graph_are_asked_for():
    with Flow("train") as found:
        Parameter("alphas", default=[1.0, 0.1])
        Parameter("name")
    form = Form.of(found.parameter_schema())
    page = FormPage(str(render_form(form.show(), PAGE)))
    assert form.read(page.sent()).problems == {"name": "is required"}
    answer = form.read(page.sent({"name": '"x"'})).answer
    assert answer.plain()["name"] == "x"
