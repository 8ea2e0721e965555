"""The errors a user can meet: one sentence each, "what is wrong; what to do".

The command line prints them as `error: ...` without a traceback and exits with `exit_code`.
"""


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
