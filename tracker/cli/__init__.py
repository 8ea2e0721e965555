"""The `track` command: one thin module per sub-command, found by its file name and imported only when it is called.

To add `track some-name`, add `tracker/cli/some_name.py`, or the same in one of the folders there, with

- a docstring whose first line is the sub-command's line in `track --help`,
- `command`: a function with Typer annotations (`def command(root: Annotated[list[Path], typer.Argument(help=...)])`),
  whose docstring is its help and ends with an example, or a `typer.Typer` where the sub-command has its own
  (`track train motion`).

Nothing has to be registered. Heavy packages (torch, ultralytics, cv2, av, trackeval) are imported inside the function,
never at the top of such a module: `track --help` answers at once. A command returns nothing, or its exit code. It
raises the errors of `tracker/errors.py` for what is the user's to mend: they are printed as `error: ...` on stderr
without a traceback and set the exit code. Results go to stdout, progress and remarks to stderr.

`track SOURCE...` without a sub-command is `track run SOURCE...`; a sub-command's name wins over a file of that name.
`track --version` says which this is.
"""

from __future__ import annotations

import ast
import errno
import importlib
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from tracker.cli._other_trackers import translated
from tracker.errors import DataWarning, UsageError, nearest
from tracker.jobs.interruption import raising
from tracker.system.renamed import RenamedKeyWarning
from tracker.system.version import __version__

DEFAULT = "run"
_INTERRUPTED = 128 + signal.SIGINT  # what Typer makes of an interruption, too
_FOLDER = Path(__file__).parent

# Read by the libraries when they are loaded. Idle threads of OpenMP and OpenBLAS wait for work in a busy loop, which
# takes the core from the other stages; and matrices of a few dozen tracks are multiplied before a second thread wakes.
_THREADS = {"OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1"}


def commands() -> dict[str, str]:
    """Every sub-command and its one line of help, read without importing any of them."""
    return {name: _first_line(path) for name, path in _places().items()}


def module(name: str) -> ModuleType:
    """The module of a sub-command, imported."""
    place = _places()[name].relative_to(_FOLDER).with_suffix("")
    return importlib.import_module(".".join((__name__, *place.parts)))


def _places() -> dict[str, Path]:
    """Every sub-command and its file, here or in a folder of those that belong together."""
    files = [path for path in _FOLDER.rglob("*.py") if not path.stem.startswith("_")]
    return {path.stem.replace("_", "-"): path for path in sorted(files, key=lambda path: path.name)}


def _first_line(module: Path) -> str:
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].rstrip(".")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line (that of the process by default) and leave with its exit code.

    SIGINT (Ctrl-C), SIGTERM and SIGHUP end a command with its files closed and, as a shell counts, code 128 + the
    signal's number: 130, 143, 129. One that was ignored when the process began (nohup, a background job's Ctrl-C)
    stays so.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    for variable, value in _THREADS.items():
        os.environ.setdefault(variable, value)
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # what libraries have to say to programmers
        for ours in (RenamedKeyWarning, DataWarning):
            warnings.simplefilter("default", ours)
        warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    # Of a process that is about to end, a signal can only disturb how it cleans up.
    afterwards = (lambda _: signal.SIG_IGN) if arguments is None else (lambda before: before)
    code, signals = 1, []
    try:
        with raising(afterwards) as signals:
            code = _run(words)
            if sys.stdout is not None:  # as where it was closed: `track info >&-`
                sys.stdout.flush()
    except KeyboardInterrupt:
        code = _INTERRUPTED
    except BrokenPipeError:  # the reader of our output has left (`track info | head -1`): so do we, quietly
        _drop_output()
    except OSError as error:
        if error.filename is None:
            _drop_output()
        print(f"error: {_sentence(error)}", file=sys.stderr)
    if code == _INTERRUPTED and signals:
        code = 128 + signals[0]
    sys.exit(code)


def _sentence(error: OSError) -> str:
    """What the system refused, where nothing closer to it has said so better."""
    reason = (error.strerror or str(error)).lower()
    if error.filename is not None:
        return f"{error.filename}: {reason}; check the path, its permissions and the disk"
    if error.errno == errno.ENOENT:  # what `tempfile` raises
        return "there is no temporary folder that can be written; make room in one and name it in TMPDIR"
    return f"the output cannot be written: {reason}; make room, or send it elsewhere"


def _drop_output() -> None:
    """Let go of what waits to be printed, which would fail once more when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(words: list[str]) -> int:
    import typer
    from typer.main import get_command

    from tracker.errors import TrackerError
    from tracker.system.extras import system_libraries

    name = DEFAULT
    if words and words[0].replace("_", "-") in _places():
        name = words.pop(0).replace("_", "-")
    if not words and name == DEFAULT:
        words = ["--help"]
    if words == ["--version"]:
        print(f"lstm-tracker {__version__}")
        return 0
    called = module(name)
    command = called.command
    app = command
    if not isinstance(command, typer.Typer):
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command()(command)
    program = "track" if name == DEFAULT else f"track {name}"
    try:
        if name == DEFAULT:
            _check_mistyped(words[0])
            words = translated(words)
        with system_libraries():
            code = int(get_command(app).main(words, prog_name=program, standalone_mode=False) or 0)
        if name == DEFAULT and "--help" in words:
            _print_commands()
        return code
    except typer.Abort:
        return _INTERRUPTED
    except (TrackerError, typer.TyperException) as error:
        message = error.format_message() if isinstance(error, typer.TyperException) else str(error)
        message = message.replace(": Value error, ", ": ")  # Pydantic's own words, which Typer passes on
        if message:  # none where a group without its sub-command has shown its help
            print(f"error: {message}", file=sys.stderr)
        return error.exit_code


def _check_mistyped(word: str) -> None:
    """Raise UsageError where the first word is nearly a sub-command, and no file."""
    near = nearest(word.replace("_", "-"), _places())
    if near and not word.startswith("-") and not os.path.lexists(word):
        raise UsageError(f"{word} is neither a file nor a command; did you mean `track {near}`?")


def _print_commands() -> None:
    from rich.console import Console
    from rich.panel import Panel
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for name, help_line in commands().items():
        if name != DEFAULT:
            table.add_row(f"[bold cyan]track {name}[/]", help_line)
    Console().print(Panel(table, title="Other commands", title_align="left", border_style="dim"))
