"""What is said of fields that do not fit."""

from __future__ import annotations

from traceback import format_exception
from typing import Annotated, Literal, Self

import pytest
from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

from blocks_core import Block
from blocks_core.building import build_block
from blocks_core.errors import BlockInvalid


class Token(BaseModel):
    kind: Literal["token"] = "token"
    value: SecretStr


class Login(BaseModel):
    kind: Literal["login"] = "login"
    user: str


class Service(Block, slug="service"):
    """Somewhere to log in."""

    host: str
    port: int = 443
    auth: Annotated[Token | Login, Field(discriminator="kind")] | None = None
    key: SecretStr | None = None

    @field_validator("key")
    @classmethod
    def _long_enough(cls, key: SecretStr) -> SecretStr:
        if len(key.get_secret_value()) < 12:
            raise ValueError(f"the key {key.get_secret_value()} is too short")
        return key


def problems(**fields: object) -> dict[str, str]:
    with pytest.raises(BlockInvalid) as caught:
        build_block(Service, fields, what="Block 'service/x'")
    assert str(caught.value).startswith("Block 'service/x' is not valid: ")
    assert caught.value.__cause__ is None
    return {problem.path: problem.problem for problem in caught.value.problems}


def test_each_field_has_its_problem() -> None:
    found = problems(hots="x", port="many")
    assert found["hots"] == "there is no such field (did you mean 'host'?)"
    assert found["host"] == "is required"
    assert "valid integer" in found["port"]


def test_paths_have_no_names_of_union_members() -> None:
    assert problems(host="x", auth={"kind": "token"}) == {"auth.value": "is required"}
    assert list(problems(host="x", auth={"kind": "login", "user": 5})) == ["auth.user"]


def test_a_message_of_the_type_that_repeats_a_secret_is_left_out() -> None:
    found = problems(host="x", key=SecretStr("planted"))
    assert "planted" not in str(found)
    assert "repeats a secret" in found["key"]


def test_a_wrong_secret_is_not_shown() -> None:
    assert "planted" not in str(
        problems(host="x", key=["planted"], auth={"kind": "token", "value": {"planted": 1}})
    )


class Whole(Block, slug="building-whole"):
    """Says what its part holds, in the ways in which validators say so."""

    part: Service
    kind: str

    @model_validator(mode="after")
    def _tell(self) -> Self:
        assert self.part.key is not None
        raise {"value": ValueError, "runtime": RuntimeError, "key": KeyError}[self.kind](
            f"bad key {self.part.key.get_secret_value()}"
        )


@pytest.mark.parametrize("kind", ["value", "runtime", "key"])
def test_what_a_validator_says_of_the_secret_of_a_held_block_is_kept_out(kind: str) -> None:
    part = Service(host="x", key=SecretStr("planted-secret"))
    with pytest.raises(BlockInvalid) as caught:
        build_block(Whole, {"part": part, "kind": kind}, what="Block 'building-whole/x'")
    assert "planted" not in "".join(format_exception(caught.value))


class Careless(Block, slug="building-careless"):
    """Has a fault of its own."""

    @model_validator(mode="after")
    def _fail(self) -> Self:
        raise ZeroDivisionError("a fault")


def test_a_fault_of_a_class_is_an_error_that_names_the_block_and_has_its_cause() -> None:
    with pytest.raises(
        BlockInvalid, match=r"'x/y' is not valid: its class raised ZeroDivisionError"
    ) as caught:
        build_block(Careless, {}, what="Block 'x/y'")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
