"""What is asked of Opsgenie, PagerDuty and Twilio is what their documentation says, and failures say what to do."""

import json
import socket
from base64 import b64decode
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from blocks_core.errors import NotificationFailed, TemplateInvalid
from blocks_core.messages import Message
from blocks_core.testing.notifier_suite import CANARY, Answer, Receiver, origin_of
from blocks_notify import OpsgenieWebhook, PagerDutyWebhook, TwilioSMS, cutting, opsgenie, pager_duty, twilio
from blocks_notify.sender import as_json

MESSAGE = Message(
    title="Flow etl failed",
    text="2 < 3 & so on",
    level="error",
    facts={"flow": "etl", "worker": "a-17"},
    detail="ValueError: <no rows>",
    link="https://example.test/runs/7",
)
TEXTS = st.text(max_size=40) | st.sampled_from(["&<>@" * 2_000, "🦉" * 30_000, " ", "가\n" * 20_000])
MESSAGES = st.builds(
    Message,
    title=TEXTS,
    text=TEXTS,
    level=st.sampled_from(["info", "warning", "error"]),
    facts=st.dictionaries(TEXTS, TEXTS, max_size=3)
    | st.just({f"fact {number}": "v" * 3_000 for number in range(130)}),
    detail=TEXTS,
    link=st.none() | st.sampled_from(["https://x.test/1", "https://x.test/" + "y" * 40_000]),
)
ALERT_TAKEN = Answer(202, '{"result": "Request will be processed", "took": 0.3, "requestId": "43a29c5c"}')
EVENT_TAKEN = Answer(202, '{"status": "success", "message": "Event processed", "dedup_key": "k1"}')
SMS_TAKEN = Answer(201, '{"sid": "SM0001", "status": "queued"}')
ACCOUNT, KEY, SERVICE = ("AC" + "0" * 32, "SK" + "1" * 32, "MG" + "2" * 32)


@pytest.fixture
def receiver():
    running = Receiver(Answer())
    yield running
    running.close()


class TestOpsgenie:
    @pytest.fixture
    def opsgenie_block(self, receiver):
        receiver.play(ALERT_TAKEN)
        return OpsgenieWebhook(
            api_key=CANARY,
            alias="{{ facts.flow }}",
            tags=["etl", "prod"],
            teams=["data"],
            endpoint_url=origin_of(receiver.url),
        )

    def test_a_message_is_an_alert(self, opsgenie_block, receiver):
        assert opsgenie_block.create_alert(MESSAGE) == "43a29c5c"
        [request] = receiver.requests
        assert (request.method, request.path) == ("POST", "/v2/alerts")
        assert request.headers["authorization"] == f"GenieKey {CANARY}"
        assert request.headers["content-type"] == "application/json"
        assert request.json() == {
            "message": "Flow etl failed",
            "alias": "etl",
            "description": "2 < 3 & so on\n\nhttps://example.test/runs/7\n\nValueError: <no rows>",
            "responders": [{"name": "data", "type": "team"}],
            "tags": ["etl", "prod"],
            "details": {"flow": "etl", "worker": "a-17"},
            "source": "blocks",
            "priority": "P1",
        }

    def test_an_alert_is_closed_by_its_alias(self, opsgenie_block, receiver):
        assert opsgenie_block.close("a/b c") == "43a29c5c"
        [request] = receiver.requests
        assert (request.method, request.path) == (
            "POST",
            "/v2/alerts/a%2Fb%20c/close?identifierType=alias",
        )
        assert request.json() == {"source": "blocks"}

    @pytest.mark.parametrize(("level", "priority"), [("info", "P5"), ("warning", "P3"), ("error", "P1")])
    def test_each_level_has_its_priority(self, level, priority):
        assert opsgenie.render(Message("t", level=level))["priority"] == priority

    @given(MESSAGES)
    def test_any_message_keeps_to_opsgenies_limits(self, message):
        body, size = opsgenie.render(message), cutting.size_of
        assert 0 < size(body["message"]) <= 130
        assert size(body.get("description", "")) <= 15_000
        details = body.get("details", {})
        assert sum(size(name) + size(fact) for name, fact in details.items()) <= 8_000

    def test_the_region_is_that_of_the_address(self):
        assert opsgenie.ENDPOINTS == {
            "us": "https://api.opsgenie.com",
            "eu": "https://api.eu.opsgenie.com",
        }

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (Answer(401, '{"message": "Could not authenticate"}'), "the region"),
            (Answer(403, '{"message": "You are not authorized"}'), "the right to create"),
            (Answer(422, '{"message": "Key format is not valid!"}'), "Key format is not valid"),
            (Answer(200, "<html>welcome</html>"), "not how Opsgenie answers"),
            (Answer(202, "{}"), "not how Opsgenie answers"),
        ],
    )
    def test_any_other_answer_says_what_to_do(self, opsgenie_block, receiver, answer, words):
        receiver.play(answer)
        with pytest.raises(NotificationFailed, match=words):
            opsgenie_block.notify(MESSAGE)

    def test_a_check_counts_alerts_with_the_key(self, opsgenie_block, receiver):
        receiver.play(Answer(200, '{"data": {"count": 7}}'))
        assert opsgenie_block.check().ok
        [request] = receiver.requests
        assert (request.method, request.path) == ("GET", "/v2/alerts/count")
        assert request.headers["authorization"] == f"GenieKey {CANARY}"


class TestPagerDuty:
    @pytest.fixture
    def pager(self, receiver):
        receiver.play(EVENT_TAKEN)
        return PagerDutyWebhook(
            routing_key=CANARY,
            dedup_key="{{ facts.flow }}",
            source="etl.example.com",
            endpoint_url=origin_of(receiver.url),
        )

    def test_a_message_triggers_an_event(self, pager, receiver):
        assert pager.trigger(MESSAGE) == "k1"
        [request] = receiver.requests
        assert (request.method, request.path) == ("POST", "/v2/enqueue")
        assert request.headers["content-type"] == "application/json"
        assert request.json() == {
            "routing_key": CANARY,
            "event_action": "trigger",
            "dedup_key": "etl",
            "payload": {
                "summary": "Flow etl failed",
                "source": "etl.example.com",
                "severity": "error",
                "custom_details": {
                    "text": "2 < 3 & so on",
                    "detail": "ValueError: <no rows>",
                    "flow": "etl",
                    "worker": "a-17",
                },
            },
            "links": [{"href": "https://example.test/runs/7", "text": "Open"}],
            "client": "blocks",
        }

    def test_an_incident_is_resolved_by_its_key(self, pager, receiver):
        pager.resolve("etl")
        assert receiver.requests[0].json() == {
            "routing_key": CANARY,
            "event_action": "resolve",
            "dedup_key": "etl",
        }

    def test_without_a_source_this_machine_is_it(self, receiver):
        receiver.play(EVENT_TAKEN)
        PagerDutyWebhook(routing_key=CANARY, endpoint_url=origin_of(receiver.url)).notify(Message("t"))
        event = receiver.requests[0].json()
        assert event["payload"]["source"] == socket.gethostname()
        assert "dedup_key" not in event

    @pytest.mark.parametrize("level", ["info", "warning", "error"])
    def test_each_level_is_a_severity(self, level):
        assert pager_duty.render(Message("t", level=level), "s")["payload"]["severity"] == level

    @given(MESSAGES)
    def test_any_message_keeps_to_pagerdutys_limits(self, message):
        event = pager_duty.render(message, "here")
        assert 0 < cutting.size_of(event["payload"]["summary"]) <= 1_024
        assert len(as_json(event)) <= 512 * 1024

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (
                Answer(
                    400,
                    '{"status": "invalid event", "message": "Event object is invalid", "errors": ["Length of '
                    "'routing_key' is incorrect (should be 32 characters)\"]}",
                ),
                "should be 32 characters.*Check the routing key",
            ),
            (Answer(429, "", {"Retry-After": "86400"}), "fewer events"),
            (Answer(200, "<html>welcome</html>"), "not how PagerDuty answers"),
        ],
    )
    def test_any_other_answer_says_what_to_do(self, pager, receiver, answer, words):
        receiver.play(answer)
        with pytest.raises(NotificationFailed, match=words):
            pager.notify(MESSAGE)

    def test_a_check_resolves_an_incident_that_there_is_not(self, pager, receiver):
        assert pager.check().ok
        event = receiver.requests[0].json()
        assert event.pop("dedup_key").startswith("blocks-check-")
        assert event == {"routing_key": CANARY, "event_action": "resolve"}


@pytest.mark.parametrize(
    ("block_type", "key", "field"),
    [(OpsgenieWebhook, "api_key", "alias"), (PagerDutyWebhook, "routing_key", "dedup_key")],
)
class TestKeys:
    def test_a_template_that_asks_for_something_else_is_refused(self, block_type, key, field):
        with pytest.raises(ValidationError, match=r"'titel'.*did you mean 'title'"):
            block_type(**{key: CANARY, field: "{{ titel }}"})

    def test_a_message_that_does_not_fit_the_template_is_an_error(self, block_type, key, field, receiver):
        block = block_type(
            **{key: CANARY, field: "{{ facts.flow }}", "endpoint_url": origin_of(receiver.url)}
        )
        with pytest.raises(TemplateInvalid, match="no 'flow'"):
            block.notify(Message("t"))
        assert receiver.requests == []

    @pytest.mark.parametrize("value", [f"{CANARY}\n", f"two {CANARY}", "é" + CANARY, ""])
    def test_a_key_that_is_none_is_refused_without_repeating_it(self, block_type, key, field, value):
        with pytest.raises(ValidationError, match="the key is empty or") as caught:
            block_type(**{key: value})
        assert CANARY not in str(caught.value)

    @pytest.mark.parametrize(
        "url", ["http://api.example.com", "https://api.example.com/?a=b", "api.example.com", "https://u:p@h"]
    )
    def test_an_endpoint_that_is_not_safe_is_refused(self, block_type, key, field, url):
        with pytest.raises(ValidationError, match="the address"):
            block_type(**{key: CANARY, "endpoint_url": url})


class TestTwilio:
    @pytest.fixture
    def sms_at(self, receiver):
        receiver.play(SMS_TAKEN)

        def make(**fields):
            given_fields = {
                "account_sid": ACCOUNT,
                "auth_token": CANARY,
                "from_number": "+15005550006",
                "to": ["+15005550007"],
                "endpoint_url": origin_of(receiver.url),
            }
            return TwilioSMS(**given_fields | fields)

        return make

    def test_a_message_is_a_form(self, sms_at, receiver):
        sms_at().notify(MESSAGE)
        [request] = receiver.requests
        assert (request.method, request.path) == ("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json")
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"
        login = b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        assert login == f"{ACCOUNT}:{CANARY}"
        assert dict(parse_qsl(request.body.decode())) == {
            "To": "+15005550007",
            "From": "+15005550006",
            "Body": "Flow etl failed\n2 < 3 & so on\nflow: etl\nworker: a-17\nhttps://example.test/runs/7\n"
            "ValueError: <no rows>",
        }

    def test_a_messaging_service_sends_and_a_key_of_its_own_logs_in(self, sms_at, receiver):
        sms_at(from_number=None, messaging_service_sid=SERVICE, api_key_sid=KEY).send("x")
        [request] = receiver.requests
        form = dict(parse_qsl(request.body.decode()))
        assert form == {"To": "+15005550007", "MessagingServiceSid": SERVICE, "Body": "x"}
        login = b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        assert login == f"{KEY}:{CANARY}"

    def test_one_number_that_fails_is_named_and_hinders_no_other(self, sms_at, receiver):
        refused = Answer(
            400, json.dumps({"code": 21211, "message": "Invalid 'To' Phone Number", "status": 400})
        )
        receiver.play(SMS_TAKEN, refused, SMS_TAKEN)
        numbers = ["+15005550001", "+15005550002", "+15005550003"]
        with pytest.raises(NotificationFailed) as caught:
            sms_at(to=numbers).send("x")
        message = str(caught.value)
        assert "Not sent to +15005550002: " in message
        assert "21211" in message
        assert "country's code" in message
        assert message.endswith("It was sent to +15005550001, +15005550003.")
        assert [dict(parse_qsl(request.body.decode()))["To"] for request in receiver.requests] == numbers

    def test_a_number_that_asks_to_wait_is_tried_again_and_no_other_is(self, sms_at, receiver):
        receiver.play(SMS_TAKEN, Answer(429, '{"code": 20429}', {"Retry-After": "0"}), SMS_TAKEN)
        numbers = ["+15005550001", "+15005550002", "+15005550003"]
        sms_at(to=numbers).send("x")
        sent = [dict(parse_qsl(request.body.decode()))["To"] for request in receiver.requests]
        assert sent == ["+15005550001", "+15005550002", "+15005550002", "+15005550003"]

    def test_a_number_that_is_given_twice_is_sent_to_once(self, sms_at, receiver):
        sms_at(to=["+15005550001", "+15005550001"]).send("x")
        assert len(receiver.requests) == 1

    def test_an_answer_that_is_not_twilios_is_a_failure(self, sms_at, receiver):
        receiver.play(Answer(200, "<html>welcome</html>"))
        with pytest.raises(NotificationFailed, match="not how Twilio answers"):
            sms_at().send("x")

    @given(MESSAGES, st.integers(70, 1_600))
    def test_any_message_keeps_to_the_length(self, message, limit):
        assert 0 < cutting.size_of(twilio.render(message, limit)) <= limit

    def test_a_check_asks_for_a_message_and_sends_none(self, sms_at, receiver):
        receiver.play(Answer(200, '{"messages": []}'))
        assert sms_at().check().ok
        [request] = receiver.requests
        assert (request.method, request.path) == (
            "GET",
            f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json?PageSize=1",
        )
        receiver.play(Answer(401, '{"code": 20003, "message": "Authenticate", "status": 401}'))
        report = sms_at().check()
        assert "together they are no login" in report.results[1].detail

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"account_sid": "AC1"}, "a SID has"),
            ({"to": ["0301234567"]}, "country's code"),
            ({"to": ["+49 30 123456"]}, "country's code"),
            ({"to": []}, "at least 1"),
            ({"from_number": "a name that is too long"}, "neither a number"),
            ({"from_number": None}, "from_number or messaging_service_sid"),
            ({"messaging_service_sid": SERVICE}, "not both"),
            ({"max_characters": 1_601}, "1600"),
        ],
    )
    def test_fields_that_twilio_would_refuse_are_refused(self, sms_at, fields, words):
        with pytest.raises(ValidationError, match=words):
            sms_at(**fields)
