import logging
import threading

import pytest

from blocks_core.unlogged import unlogged

SECRET = "p1anted-5ecret"


@pytest.fixture
def vendor():
    logger = logging.getLogger("some_vendor.wire")
    logger.setLevel(logging.DEBUG)
    return logger


def log_all(logger):
    try:
        raise ValueError(SECRET)
    except ValueError:
        logger.debug("got %s", SECRET, extra={"body": SECRET}, exc_info=True)


def test_lines_stay_without_what_they_say(vendor, caplog):
    with caplog.at_level(logging.DEBUG), unlogged("some_vendor"):
        log_all(vendor)
        vendor.warning("that is no answer: %s", SECRET)
    assert [record.levelname for record in caplog.records] == ["DEBUG", "WARNING"]
    assert caplog.text.count("withheld") == 2
    assert SECRET not in caplog.text + "".join(repr(vars(record)) for record in caplog.records)


def test_lines_before_and_after_are_as_ever(vendor, caplog):
    with caplog.at_level(logging.DEBUG):
        with unlogged("some_vendor"), unlogged("some_vendor"):
            pass
        log_all(vendor)
    assert caplog.records[0].body == SECRET


def test_lines_of_others_and_of_other_threads_are_as_ever(vendor, caplog):
    with caplog.at_level(logging.DEBUG), unlogged("some_vendor"):
        logging.getLogger("another").debug("one")
        thread = threading.Thread(target=vendor.debug, args=("two",))
        thread.start()
        thread.join()
    assert [record.getMessage() for record in caplog.records] == ["one", "two"]


def test_a_call_that_fails_is_over(vendor, caplog):
    with pytest.raises(KeyError), unlogged("some_vendor"):
        raise KeyError
    with caplog.at_level(logging.DEBUG):
        vendor.debug("after")
    assert "after" in caplog.text
