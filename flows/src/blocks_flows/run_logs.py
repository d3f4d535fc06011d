"""Loggers of runs: lines on standard output, and a copy of each in the journal with the run's id.

Standard output gets lines as `[2021-09-25 22:08:14+0900] INFO - blocks_flows.TaskRunner | text`, from the
level that `BLOCKS_LOG_LEVEL` names (INFO). The root logger is not touched; `BLOCKS_LOG_EXTRA_LOGGERS=pandas,urllib3`
names loggers of other libraries whose lines in a run are shown and kept too. A line of more than a million characters
is cut.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Lock
from time import localtime, strftime, time
from typing import Any, Final, TextIO, cast

from blocks_core.masking import SECRETS_IN_USE, MaskingFilter
from blocks_flows import said
from blocks_flows.context import FRAME, Frame, logger_of
from blocks_flows.errors import RunMissing, SettingInvalid
from blocks_flows.failures import RemoteTraceback
from blocks_flows.journal import Journal
from blocks_flows.journal_rows import LOGS

ROOT: Final = logging.getLogger("blocks_flows")
FLOW_LOGGER: Final = logging.getLogger("blocks_flows.FlowRunner")
TASK_LOGGER: Final = logging.getLogger(said.LOGGER)
_TAIL_LINES: Final = 30
_MAX_CHARACTERS: Final = 1_000_000
"""Of a line; what is longer is cut."""
_LONGEST_SECRET: Final = 10_000
"""Characters behind the cut that are looked through too: the half of a secret would not be found."""


class RunLog:
    """Where the log of one flow run goes."""

    def __init__(self, journal: Journal, flow_run_id: str) -> None:
        self._journal = journal
        self._flow_run_id = flow_run_id
        self._tail: deque[tuple[float, int, str, str]] = deque(maxlen=_TAIL_LINES)

    def repeat(self, at: float, text: str) -> None:
        """Show a line about a task run that is recorded with its state, and not as a line."""
        text = fit_line(text)
        self._tail.append((at, said.LEVEL, said.LOGGER, text))
        _pass_to_handlers(at, said.LEVEL, TASK_LOGGER, text)

    def add(self, at: float, level: int, logger: str, text: str, task_run_id: str | None) -> None:
        """Keep a line that holds no secret."""
        self._tail.append((at, level, logger, text))
        self._journal.append(LOGS, (self._flow_run_id, task_run_id, at, level, logger, text))

    def say(self, logger: logging.Logger, level: int, text: str, task_run_id: str | None = None) -> None:
        """Keep a line of the engine's own, and show it."""
        self.pass_on(time(), level, logger, fit_line(text), task_run_id)

    def pass_on(
        self, at: float, level: int, logger: logging.Logger, text: str, task_run_id: str | None
    ) -> None:
        """Keep a line that holds no secret, and show it."""
        self.add(at, level, logger.name, text, task_run_id)
        _pass_to_handlers(at, level, logger, text)

    def tail(self) -> str:
        """Return the last lines, as they are shown."""
        return "\n".join(_line(*entry) for entry in self._tail.copy())


def _pass_to_handlers(at: float, level: int, logger: logging.Logger, text: str) -> None:
    """Show a line that is kept already, and give it to whatever other handlers there are."""
    if len(ROOT.handlers) == 2 and not logger.handlers:  # a record would be made for nobody else
        if level >= _SHOWN.level:
            _show(_line(at, level, logger.name, text))
        return
    record = logging.LogRecord(logger.name, level, "", 0, text, None, None)
    record.created, record.msecs = at, at % 1 * 1000
    record.kept = True  # type: ignore[attr-defined]
    logger.handle(record)


class _Shown(logging.Handler):
    """Writes to what `sys.stdout` is at that moment."""

    def handle(self, record: logging.LogRecord) -> bool:
        """Write a record without the handler's lock: `_show` has its own, for which no thread waits."""
        if not self.filter(record):
            return False
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        text = fit_line(_text_of(record))
        _show(_line(record.created, record.levelno, record.name, text))


class _Kept(logging.Handler):
    """Gives what is logged in a run to its `RunLog`."""

    def emit(self, record: logging.LogRecord) -> None:
        frame = FRAME.get()
        if frame is not None and frame.run is not None and not hasattr(record, "kept"):
            sink: RunLog = frame.run.sink
            text = fit_line(_text_of(record))
            sink.add(record.created, record.levelno, record.name, text, frame.task_run_id)


_shown_lines: Final[deque[str]] = deque()
_showing = Lock()


def _show(line: str) -> None:
    show_text(line + "\n")


def show_text(text: str) -> None:
    """Write a text as it is; where another thread is writing, leave it to that one and go on.

    Each write gives up the GIL, so threads that waited for each other here would do little else.
    """
    _shown_lines.append(text)
    while _shown_lines and _showing.acquire(blocking=False):
        try:
            _write_shown()
        finally:
            _showing.release()


def finish_showing() -> None:
    """Return when all lines are written."""
    with _showing:
        _write_shown()


def _write_shown() -> None:
    lines = len(_shown_lines)
    text = _shown_lines.popleft() if lines == 1 else "".join([_shown_lines.popleft() for _ in range(lines)])
    stream = bare_stdout()
    if stream is None:
        return
    try:
        try:
            stream.write(text)
        except UnicodeEncodeError:
            encoding = stream.encoding or "utf-8"
            stream.write(text.encode(encoding, errors="backslashreplace").decode(encoding))
        stream.flush()
    except (OSError, ValueError):  # closed, as by `| head`: that ends no flow, and the journal has the lines
        pass


_SHOWN: Final = _Shown()
_KEPT: Final = _Kept()
_KEPT.addFilter(MaskingFilter())  # it comes first: whatever other handlers there are gets the masked record


def prepare_logging() -> None:
    """Attach the handlers once, and take over the level that the environment asks for now.

    Raises:  SettingInvalid.
    """
    name = os.environ.get("BLOCKS_LOG_LEVEL", "INFO").upper()
    level = _LEVELS.get(name)
    if level is None:
        raise SettingInvalid(
            f"BLOCKS_LOG_LEVEL is '{name[:40]}', which is no level. Set it to one of {', '.join(_LEVELS)}."
        )
    _SHOWN.setLevel(level)
    if ROOT.level != min(level, logging.INFO):
        ROOT.setLevel(min(level, logging.INFO))  # the journal keeps INFO even where less is shown
    if _KEPT not in ROOT.handlers:
        os.register_at_fork(after_in_child=_renew_after_fork)
        ROOT.addHandler(_KEPT)
        ROOT.addHandler(_SHOWN)
        ROOT.propagate = False
    for other in os.environ.get("BLOCKS_LOG_EXTRA_LOGGERS", "").split(","):
        if other.strip():
            _keep_too(logging.getLogger(other.strip()))


def _keep_too(logger: logging.Logger) -> None:
    """Show and keep what another library logs in a run."""
    if _KEPT not in logger.handlers:
        logger.addHandler(_KEPT)
        logger.addHandler(_SHOWN)
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)


def show_only(wanted: Callable[[logging.LogRecord], bool]) -> None:
    """Show here, of the lines that are logged from now on, only some; for processes whose lines go elsewhere."""
    prepare_logging()
    _SHOWN.addFilter(wanted)


def _renew_after_fork() -> None:
    """Let go, in a forked child, of locks that a thread of the parent may hold, and of the parent's lines."""
    global _showing, _routing_lock
    _showing, _routing_lock = Lock(), Lock()
    _shown_lines.clear()


def get_run_logger() -> logging.Logger:
    """Return the logger of the task or flow that runs here: its lines are shown and kept with the run.

    Raises:  RunMissing.
    """
    frame = FRAME.get()
    if frame is None or frame.run is None:
        raise RunMissing(
            "get_run_logger() was called outside of a run. Call it inside a task or a flow function; "
            "elsewhere use logging.getLogger(__name__)."
        )
    return logger_of(frame, frame.run)


def traceback_of(error: BaseException) -> str:
    """Return an exception as Python prints it, without the engine's own frames at its start."""
    if isinstance(error.__cause__, RemoteTraceback):
        return str(error.__cause__)
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith("blocks_flows."):
        trace = trace.tb_next
    shown = trace or error.__traceback__
    return "".join(traceback.format_exception(type(error), error, shown)).rstrip("\n")


def level_name(level: int) -> str:
    """Return a level's word, such as `INFO`."""
    return _LEVEL_NAMES.get(level) or f"LEVEL {level}"


def bare_stdout() -> TextIO | None:
    """Return the standard output that is not captured for a task; None where the process has none."""
    stream = cast("TextIO | _Router | None", sys.stdout)
    return stream.bare if isinstance(stream, _Router) else stream


class TaskPrints:
    """Makes log lines of what a task, or a flow function, prints."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._begun: list[str] = []
        """The pieces of the line that has not ended; joined once, as there may be very many."""

    def write(self, text: str) -> None:
        """Take text; a line is logged when it ends."""
        first, *others = text.split("\n")
        self._begun.append(first)
        for begun in others:
            self._log()
            self._begun.append(begun)

    def end(self) -> None:
        """Log what was printed without an end of line."""
        if any(self._begun):
            self._log()

    def _log(self) -> None:
        line, self._begun = "".join(self._begun), []
        if self._frame.run is not None:
            sink: RunLog = self._frame.run.sink
            logger = TASK_LOGGER if self._frame.task_run_id else FLOW_LOGGER
            sink.say(logger, logging.INFO, line, self._frame.task_run_id)


class _Router:
    """Stands in for `sys.stdout` while tasks that log their prints run: each thread's text goes its way."""

    def __init__(self, bare: TextIO | None) -> None:
        self.bare = bare

    def write(self, text: str) -> int:
        frame = FRAME.get()
        prints = None if frame is None else frame.stdout
        if prints is not None:
            prints.write(text)
        elif self.bare is not None:
            return self.bare.write(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.bare, name)


_routing_lock = Lock()
_routed = 0


@contextmanager
def captured_prints(frame: Frame) -> Generator[None]:
    """Log what the code of this frame prints, on whatever thread it runs."""
    global _routed
    with _routing_lock:
        if not isinstance(sys.stdout, _Router):
            sys.stdout = cast("TextIO", _Router(sys.stdout))
        _routed += 1
    frame.stdout = TaskPrints(frame)
    try:
        yield
    finally:
        frame.stdout.end()
        frame.stdout = None
        with _routing_lock:
            _routed -= 1
            if _routed == 0 and isinstance(sys.stdout, _Router):
                sys.stdout = cast("TextIO", sys.stdout.bare)


_LEVELS: Final = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
    "CRITICAL": logging.CRITICAL,
}
_LEVEL_NAMES: Final = {level: name for name, level in _LEVELS.items()}
_stamp: tuple[int, str] = (0, "")


def _line(at: float, level: int, logger: str, text: str) -> str:
    global _stamp
    second, shown = _stamp
    if second != int(at):  # the text is made once a second: it costs more than the rest of the line
        second, shown = _stamp = (int(at), strftime("%Y-%m-%d %H:%M:%S%z", localtime(at)))
    return f"[{shown}] {level_name(level)} - {logger} | {text}"


def fit_line(text: str) -> str:
    """Return what is to be logged without the secrets in use, and cut where it is too long."""
    if len(text) <= _MAX_CHARACTERS:
        return SECRETS_IN_USE.hide(text)
    hidden = SECRETS_IN_USE.hide(text[: _MAX_CHARACTERS + _LONGEST_SECRET])
    return f"{hidden[:_MAX_CHARACTERS]}… (cut: it has {len(text)} characters)"


def _text_of(record: logging.LogRecord) -> str:
    text = record.getMessage()
    if record.exc_info:
        text += "\n" + _FORMATTER.formatException(record.exc_info)
    return text


_FORMATTER: Final = logging.Formatter()
