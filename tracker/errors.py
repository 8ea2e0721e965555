"""The errors a user can meet: one sentence each, "what is wrong; what to do".

The command line prints them as `error: ...` without a traceback and exits with `exit_code`. Where a word is none
that is known, they suggest the nearest.
"""

from collections.abc import Iterable
from difflib import SequenceMatcher
from pathlib import PurePath


class TrackerError(Exception):
    """Base of every error that is the input's or the environment's fault, not a bug."""

    exit_code = 1


class UsageError(TrackerError):
    """An option, class name, device or argument that cannot be meant."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration file or value: unknown key, out of bounds, not safe YAML."""


class SourceError(TrackerError):
    """A video, image folder, camera or URL that cannot be opened or read."""


class ResumeError(SourceError):
    """A run of a source that cannot be gone on with: of another file, with other settings, or in use."""


class WeightsError(TrackerError):
    """Weights that are missing, damaged, unsafe or of another network."""


class DataError(TrackerError):
    """A dataset or result file that does not hold what its format promises."""


class OutputError(TrackerError):
    """A result that cannot be written: permission, disk full, folder in the way."""


class ChangedError(TrackerError):
    """What was edited is not what is there any more: somebody else has changed it meanwhile."""


class WorkerError(TrackerError):
    """A process that was to do a part of the work and ended before that."""


class InputError(TrackerError, ValueError):
    """An array handed to the Python API with a wrong shape, dtype or value."""


class MissingExtraError(TrackerError, ImportError):
    """An optional package, or a library of the system's, is not installed."""


class DataWarning(UserWarning):
    """What is taken for granted of a dataset that does not say it; the command line prints it as `warning: ...`."""


_CLOSE = 0.75
_BEGINS = 4  # letters that are enough of a word to be its beginning, as `conf` of `confidence`


def nearest(word: str, known: Iterable[str]) -> str:
    """The one of `known` that is a slip or two away from `word`, or longer or shorter by its end; empty: none is.

    >>> nearest("persn", ["person", "conf"]), nearest("confidence", ["person", "conf"]), nearest("color", ["conf"])
    ('person', 'conf', '')
    """
    by_closeness = [(_closeness(word, one), one) for one in known]
    closest, one = max(by_closeness, default=(0.0, ""), key=lambda found: found[0])
    return one if closest >= _CLOSE else ""


def nearest_file(name: str, known: Iterable[str]) -> str:
    """The same of names of files, whose ending makes none like another.

    >>> nearest_file("vidoe.mp4", ["video.mp4", "zero.mp4"]), nearest_file("hero.mp4", ["video.mp4", "zoo.mp4"])
    ('video.mp4', '')
    >>> nearest_file("door.mpp4", ["door.py", "door.mp4", "door.csv"])  # of one name that with the closest ending
    'door.mp4'
    """
    stems = {one: PurePath(one).stem for one in sorted(known)}
    wanted = PurePath(name)
    found = nearest(wanted.stem, stems.values())
    ones = [one for one, stem in stems.items() if stem == found] if found else []
    return max(ones, key=lambda one: _closeness(PurePath(one).suffix, wanted.suffix), default="")


def _closeness(word: str, one: str) -> float:
    word, one = word.casefold(), one.casefold()
    short, long = sorted((word, one), key=len)
    if len(short) >= _BEGINS and long.startswith(short):
        return 0.99 if word != one else 1.0
    return SequenceMatcher(None, word, one).ratio()
