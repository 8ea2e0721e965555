"""A tracker's state as a file: what has to be the same for it to go on, and whose gallery it is."""

from __future__ import annotations

from pathlib import Path

from tracker import provenance
from tracker.appearance.gallery import Gallery
from tracker.config import Config
from tracker.errors import DataError, UsageError
from tracker.system import state


def save(path: str | Path, config: Config, saved: state.State, detector: bool, shared: bool) -> None:
    """Write a tracker's state.

    Args:
        detector: it looked for objects with a detector of its own. shared: its gallery is not, and not in the state.

    Raises:
        OutputError: it cannot be written. WeightsError: its weights are not there any more.
    """
    about = {"config": config.to_dict(), "weights": _weights(config, detector), "shared_gallery": shared}
    state.write(path, "tracker", about, saved)


def opened(path: str | Path, gallery: Gallery | None) -> tuple[Config, state.State]:
    """The configuration and the state of a saved tracker that goes on with this gallery (None: with its own).

    Raises:
        DataError: no state of a tracker, one of another version, of other weights, or a damaged one.
        ConfigError: its configuration is none of this version.
        UsageError: a shared gallery is missing, or there is none to share.
    """
    about, saved = state.read(path, "tracker")
    try:
        settings, shared, weights = about["config"], bool(about["shared_gallery"]), dict(about["weights"])
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} does not say what it is a state of; give a file that save() left") from error
    config = Config().override(settings, str(path))
    if shared and gallery is None:
        raise UsageError(f"the tracker of {path} shared its gallery; load that, too, and give it as gallery=")
    if gallery is not None and not shared:
        raise UsageError(f"the tracker of {path} has a gallery of its own; leave out gallery=")
    now = _weights(config, "detector" in weights)
    other = [network for network, digest in weights.items() if now.get(network) != digest]
    if other:
        raise DataError(
            f"{path} was saved with other weights ({', '.join(other)}) than its configuration names now; "
            "put those back that it was saved with, or start anew"
        )
    return config, saved


def _weights(config: Config, detector: bool) -> dict[str, str]:
    """Network -> SHA-256 of its weights."""
    files = provenance.weights_files(config, detector)
    return {network: provenance.hashed(file)["sha256"] for network, file in files.items()}
