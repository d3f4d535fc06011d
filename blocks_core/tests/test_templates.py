import json
import subprocess
import sys
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from blocks_core.errors import TemplateInvalid
from blocks_core.template_filters import MAX_OUTPUT_CHARACTERS
from blocks_core.templates import MAX_CHARACTERS, check, check_json, render, render_json

PLANTED = "p1anted-va1ue"
VALUES = {
    "title": f'say "{PLANTED}"',
    "facts": {"State": "Failed", "n": "3", "items": "i"},
    "detail": "line\n" * 10_000,
    "link": None,
    "numbers": [1, 2, 3],
    "secret_like": PLANTED,
}


class TestRendering:
    @pytest.mark.parametrize(
        ("template", "text"),
        [
            ("no place", "no place"),
            ("{{ facts.State|lower }} {{ facts['n'] }}", "failed 3"),
            ("[{{ link }}]", "[]"),
            ("{{ facts.State.upper() }}", "FAILED"),
            ("{{ facts.nope|default('?') }}", "?"),
            ("{% if facts.nope is defined %}yes{% else %}no{% endif %}", "no"),
            ("{% if link %}a{% elif numbers|length == 3 %}b{% endif %}", "b"),
            ("{{ 'long' if numbers[2] > 2 else 'short' }}", "long"),
            (
                "{% for name, fact in facts.items() %}{{ name }}={{ fact }}{% if not loop.last %}, {% endif %}"
                "{% endfor %}",
                "State=Failed, n=3, items=i",
            ),
            ("{% for i in range(3) %}{{ loop.index }}{{ i }} {% endfor %}", "10 21 32 "),
            ("{{ numbers|join(', ') }} {{ numbers|first }}{{ numbers|last }}", "1, 2, 3 13"),
            ("{{ 'a' ~ 1 ~ ('b' ~ link ~ 'c') }}", "a1bc"),
            ("{{ facts.n|int + 4 }} {{ 7 / 2 }} {{ -7 % 4 }}", "7 3.5 1"),
            ("{{ 'abcdef'|truncate(4) }} {{ 'abcdef'|tail(4) }}", "abc… …def"),
            ("{{ 'a&b'|e }} {{ 'a/b c'|urlencode }}", "a&amp;b a%2Fb%20c"),
            ("{{ numbers|tojson }} {{ facts.State|tojson }}", '[1, 2, 3] "Failed"'),
            ("{{ numbers }} {{ {'a': true} }}", '[1, 2, 3] {"a": true}'),
            ("{# said to nobody #}{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
        ],
    )
    def test_a_template_is_filled_in(self, template, text):
        assert render(template, VALUES) == text

    def test_a_value_is_no_template(self):
        assert render("{{ a }}", {"a": "{{ b }}{% for %}"}) == "{{ b }}{% for %}"

    def test_dates_and_kinds_of_text_are_texts(self):
        class Level(StrEnum):
            ERROR = "error"

        moment = datetime(2026, 1, 31, 12, tzinfo=UTC)
        assert render("{{ at }} {{ level }}", {"at": moment, "level": Level.ERROR}) == (
            "2026-01-31T12:00:00+00:00 error"
        )

    @pytest.mark.parametrize("value", [SecretStr(PLANTED), object(), {"a": [SecretStr(PLANTED)]}, b"x", len])
    def test_other_values_are_refused_without_showing_them(self, value):
        with pytest.raises(TemplateInvalid, match=r"'a'|the values") as caught:
            render("{{ a }}", {"a": value})
        assert PLANTED not in str(caught.value)


class TestMistakes:
    @pytest.mark.parametrize(
        ("template", "message"),
        [
            ("a\nb {{ titel }}", r"Line 2 .*'titel'.*did you mean 'title'.*There are: detail, facts"),
            ("{{ nothing|default('x') }}", "'nothing', which there is not"),
            ("{% for x in numbers %}{% endfor %}{{ x }}", "'x', which there is not"),
            ("\n\n{{ facts.Stat }}", "Line 3 .*no 'Stat'"),
            ("{{ facts[title] }}", "nothing under the key"),
            ("{{ numbers[9] }}", "nothing under the key"),
            ("{{ title", "Line 1 .*cannot be read"),
            ("{% fi %}", "unknown tag 'fi'"),
            ("{{ title|uper }}", "the filter 'uper'.*There are:.*upper"),
            ("{{ title is big }}", "the test 'big'"),
            ("{{ title|int }}", "ValueError"),
            ("{{ 1 / 0 }}", "ZeroDivisionError"),
            ("{{ title < 1 }}", "TypeError"),
            ("{{ title + 1 }}", "takes numbers"),
            ("{{ facts.items }}", "write \\(\\)"),
            ("{{ title() }}", "calls what is no function"),
            ("{% for x in 5 %}{% endfor %}", "no list"),
        ],
    )
    def test_a_mistake_is_named_with_its_line_and_no_value(self, template, message):
        with pytest.raises(TemplateInvalid, match=message) as caught:
            render(template, VALUES)
        assert PLANTED not in "".join(traceback.format_exception(caught.value))

    def test_what_it_asks_for_can_be_checked_before_there_are_values(self):
        check("{{ title }} {{ facts.anything }}", ["title", "facts"])
        with pytest.raises(TemplateInvalid, match="'titel'"):
            check("{{ titel }}", ["title"])


class TestInjection:
    @pytest.mark.parametrize(
        "template",
        [
            "{{ ''.__class__ }}",
            "{{ ''['__class__'] }}",
            "{{ ''|attr('__class__') }}",
            "{{ title.__class__.__mro__[1].__subclasses__() }}",
            "{{ facts['_' ~ '_class_' ~ '_'] }}",
            "{{ numbers.append(4) }}",
            "{{ facts.update({'a': 1}) }}",
            "{{ title.format(1) }}",
            "{{ '{0.__class__}'.format(title) }}",
            "{{ title.encode() }}",
            "{{ self }}",
            "{{ self.__init__.__globals__ }}",
            "{{ loop }}",
            "{% for x in numbers %}{{ loop._iterable }}{% endfor %}",
            "{% for x in numbers %}{{ loop }}{% endfor %}",
            "{{ range.__self__ }}",
            "{{ range }}",
            "{{ cycler.__init__.__globals__ }}",
            "{{ lipsum.__globals__ }}",
            "{{ joiner }}",
            "{{ namespace(a=1) }}",
            "{{ dict(a=1) }}",
            "{{ context }}",
            "{{ environment }}",
            "{{ config }}",
            "{{ facts.get.__self__ }}",
            "{{ facts.items().__class__ }}",
            "{% include '/etc/passwd' %}",
            "{% import 'os' as os %}",
            "{% from 'os' import path %}",
            "{% extends 'x' %}",
            "{% block a %}{% endblock %}",
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
            "{% call f() %}{% endcall %}",
            "{% set x = 1 %}",
            "{% set x %}{% endset %}",
            "{% filter upper %}{% endfilter %}",
            "{% autoescape false %}{% endautoescape %}",
            "{% do numbers.clear() %}",
            "{% for x in numbers recursive %}{{ loop(numbers) }}{% endfor %}",
        ],
    )
    def test_nothing_but_values_can_be_reached(self, template):
        before = json.dumps(VALUES)
        with pytest.raises(TemplateInvalid):
            render(template, VALUES)
        assert json.dumps(VALUES) == before

    @pytest.mark.parametrize(
        "template",
        [
            "{% for a in range(1000000000) %}{% endfor %}",
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
            "{% for a in detail %}{% for b in detail %}x{% endfor %}{% endfor %}",
            "{% for a in range(5000) %}{{ detail }}{% endfor %}",
            "{{ detail * 1000000 }}",
            "{{ 'a' * 1000000000 }}",
            "{{ [1] * 1000000000 }}",
            "{{ 10 ** 10 ** 10 }}",
            "{{ '%9999999999d' % 1 }}",
            "{{ detail ~ detail ~ detail ~ detail ~ detail }}",
            "{{ detail + detail + detail + detail + detail }}",
            "{{ (detail, detail, detail, detail, detail) }}",
            "{{ [detail, detail, detail, detail, detail]|join }}",
            "{{ detail|join(detail) }}",
            "{{ detail|replace('l', detail) }}",
            "{{ detail|replace('', detail) }}",
            "{{ detail|indent(100000000) }}",
            "{{ 'a'|center(1000000000) }}",
            "{{ '%1000000000d'|format(1) }}",
            "{{ range(1000000000)|list }}",
            "{{ " + "9" * 6_000 + " }}",
            "{{ " + "(" * 5_000 + "1" + ")" * 5_000 + " }}",
            "{{ [" + "[" * 5_000 + "]" * 5_000 + "] }}",
            "{% if 1 %}" * 1_500,
            "{% for a in numbers %}" * 60 + "{% endfor %}" * 60,
            "{{ title" + ".a" * 9_000 + " }}",
            "{{ 1" + " + 1" * 4_000 + " }}",
            "{{ title" + "|upper" * 3_000 + " }}",
            "x" * (MAX_CHARACTERS + 1),
        ],
        ids=lambda text: text[:40],
    )
    def test_nothing_takes_long_or_makes_much(self, template):
        started = monotonic()
        with pytest.raises(TemplateInvalid):
            render(template, VALUES)
        assert monotonic() - started < 5

    @given(st.text(alphabet="{}%#|.()[]_' \"~+*-=abtile0\n", max_size=80))
    def test_any_text_is_a_template_or_a_typed_error(self, text):
        with suppress(TemplateInvalid):
            assert len(render(text, VALUES)) <= MAX_OUTPUT_CHARACTERS


class TestJson:
    @given(st.text(max_size=60), st.text(max_size=60))
    def test_no_value_breaks_out_of_its_place(self, title, detail):
        template = {"a": "{{ title }}", "b": [{"c": "x {{ detail }}"}, 1, None, True, 2.5]}
        made = render_json(template, {"title": title, "detail": detail})
        assert made == {"a": title, "b": [{"c": f"x {detail}"}, 1, None, True, 2.5]}

    def test_a_text_without_a_place_and_the_keys_stay_as_they_are(self):
        assert render_json({"{{ a }}": ["plain", "{{ a }}"]}, {"a": 1}) == {"{{ a }}": ["plain", "1"]}

    @pytest.mark.parametrize(
        ("template", "message"),
        [
            ({"a": {"b": ["x", "{{ titel }}"]}}, r"^a\.b\[1\]: Line 1 .*'titel'"),
            ({"a": "{{ facts.nope }}"}, "^a: Line 1 .*no 'nope'"),
            ("{{ titel }}", "^Line 1"),
            ({"a": [0] * 1_001}, "more than 1,000 values"),
        ],
    )
    def test_a_mistake_is_named_with_its_place(self, template, message):
        with pytest.raises(TemplateInvalid, match=message):
            render_json(template, VALUES)

    def test_it_can_be_checked_before_there_are_values(self):
        check_json({"a": ["{{ title }}"]}, ["title"])
        with pytest.raises(TemplateInvalid, match=r"^a\[0\]: .*'title'"):
            check_json({"a": ["{{ title }}"]}, ["text"])

    def test_a_structure_that_is_too_deep_is_refused(self):
        deep = "{{ title }}"
        for _ in range(100):
            deep = [deep]
        with pytest.raises(TemplateInvalid, match="levels"):
            check_json(deep, ["title"])


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_jinja2_is_imported_at_first_use_only():
    shown = run(
        "import sys, blocks_core.templates as t; before = 'jinja2' in sys.modules;"
        "t.render('x', {}); print(before, 'jinja2' in sys.modules)"
    )
    assert shown.split() == ["False", "True"]


def test_without_jinja2_the_error_says_what_to_install():
    shown = run(
        "import sys; sys.modules['jinja2'] = None\n"
        "from blocks_core.errors import PackageMissing\n"
        "from blocks_core.templates import render\n"
        "try: render('x', {})\n"
        "except PackageMissing as error: print(error)"
    )
    assert 'Run "pip install jinja2"' in shown
