"""Messages by the package apprise, through its generic services."""

import subprocess
import sys
import traceback

import pytest
from pydantic import ValidationError

from blocks_core.errors import NotificationFailed
from blocks_core.messages import Message
from blocks_core.testing.log_watch import LogWatch, assert_hidden
from blocks_core.testing.notifier_suite import CANARY, Answer, Receiver
from blocks_core.testing.receiver import free_port
from blocks_notify import Apprise


@pytest.fixture
def receiver():
    running = Receiver(Answer())
    yield running
    running.close()


def url_at(receiver: Receiver) -> str:
    return f"json://{receiver.url.removeprefix('http://')}?rto=1&cto=1"


def test_a_message_is_sent_to_each_url_with_its_level(receiver):
    Apprise(urls=[url_at(receiver), url_at(receiver)]).notify(Message("t", "x", "error", {"a": "b"}))
    assert [request.json() for request in receiver.requests] == [
        {"version": "1.0", "title": "t", "message": "x\na: b", "attachments": [], "type": "failure"}
    ] * 2


def test_one_url_that_fails_is_named_by_service_and_number_and_hinders_no_other(receiver):
    receiver.play(Answer(401, CANARY), Answer())
    nobody = f"xml://127.0.0.1:{free_port()}/{CANARY}?rto=1&cto=1"
    with pytest.raises(NotificationFailed) as caught:
        Apprise(urls=[url_at(receiver), nobody, url_at(receiver)]).notify(Message("t"))
    message = str(caught.value)
    assert "json://127.0.0.1 (URL 1 of 3) did not take the message: " in message
    assert "401" in message
    assert "xml://127.0.0.1 (URL 2 of 3) did not take the message: " in message
    assert message.endswith("It was sent to json://127.0.0.1 (URL 3 of 3).")
    assert_hidden(CANARY, "".join(traceback.format_exception(caught.value)))


@pytest.mark.parametrize(
    "url",
    [
        f"tgram://123456789:{CANARY}/12315544/",
        f"slack://T1JJ3T3L2/A1BRTD4JD/{CANARY}/%23general",
        f"discord://4174216298/{CANARY}",
        f"pover://{CANARY}@a{CANARY}",
        f"nosuch://{CANARY}/x",
        f"json:///{CANARY}",
    ],
)
def test_of_a_url_whose_host_may_be_a_key_only_the_service_is_shown(url):
    with LogWatch() as watch:
        block = Apprise(urls=[url])
        [result] = block.check().results
    scheme = url.partition("://")[0]
    assert f"{scheme}://…" in result.detail
    assert_hidden(CANARY, repr(result), repr(block), *watch.lines)


def test_a_check_tells_of_each_url_whether_apprise_can_use_it(receiver):
    report = Apprise(urls=[url_at(receiver), f"nosuch://{CANARY}", "discord://x"]).check()
    assert [(result.name, result.ok) for result in report.results] == [
        ("url 1", True),
        ("url 2", False),
        ("url 3", False),
    ]
    assert "no URL that apprise can use" in report.results[1].detail
    assert receiver.requests == []


@pytest.mark.parametrize("url", [CANARY, f"{CANARY}/x", f"json://{CANARY} x", f"://{CANARY}", ""])
def test_a_url_that_is_none_is_refused_without_repeating_it(url):
    with pytest.raises(ValidationError, match="a URL of apprise is") as caught:
        Apprise(urls=[url])
    assert CANARY not in str(caught.value)


def test_what_others_log_meanwhile_is_as_it_was(receiver):
    import logging

    with LogWatch() as watch:
        Apprise(urls=[url_at(receiver)]).notify(Message("t"))
        logging.getLogger("urllib3.connectionpool").debug("of somebody else: %s", "words")
    assert any("(withheld: a secret is on its way)" in line for line in watch.lines)
    assert any("of somebody else: words" in line for line in watch.lines)


def test_without_the_package_the_error_says_what_to_install():
    code = (
        "import sys; sys.modules['apprise'] = None\n"
        "from blocks_core import Message\n"
        "from blocks_core.errors import PackageMissing\n"
        "from blocks_notify import Apprise\n"
        "block = Apprise(urls=['json://127.0.0.1'])\n"
        "try: block.notify(Message('t'))\n"
        "except PackageMissing as error: print(error)\n"
        "print(block.check().results[0].detail)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.count('Run "pip install blocks-notify[apprise]"') == 2
