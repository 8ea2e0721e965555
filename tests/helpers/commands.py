"""Commands of `track` in this process, with signals that end them as they end a real one."""

import signal

import pytest

from tracker.cli import main


def ended(words: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit code and stderr of a command line, begun with no signal ignored."""
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        with pytest.raises(SystemExit) as left:
            main(words)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return int(left.value.code or 0), capsys.readouterr().err
