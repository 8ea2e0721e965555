"""From paths to what is taught: one teacher, labelled identities, or both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tracker.train.appearance.crops import collect
from tracker.train.appearance.distillation import Distillation
from tracker.train.appearance.identities import Identity, MetricLearning, collect_identities, set_aside
from tracker.train.appearance.joint import Joint
from tracker.train.appearance.loop import Task
from tracker.train.appearance.settings import TrainConfig


def lesson(
    data: Sequence[Path],
    identities: Sequence[Path],
    teacher: Path | None,
    start: str | Path,
    detector: str,
    config: TrainConfig,
    device: str,
) -> tuple[Task, str]:
    """The task, and in words what it is made from.

    Args:
        data: for `crops.collect` where there is a teacher, or else for `collect_identities`.
        identities: for `collect_identities`, beside a teacher.
        teacher, start, config, device: as the tasks take them.
        detector: as `crops.collect` takes it.

    Raises:
        DataError: nothing usable in one of the paths.
        WeightsError: teacher or start cannot be used.
    """
    if not teacher:
        people = collect_identities(data)
        return MetricLearning(people, config, start, device), _told(people, data, config)
    crops = collect(data, detector)
    made_from = f"{len(crops)} crops ({sum(crop.person for crop in crops)} of people) from {_names(data)}"
    if not identities:
        return Distillation(crops, teacher, config, start, device), made_from
    people = collect_identities(identities)
    return Joint(crops, teacher, people, config, start, device), f"{made_from}, {_told(people, identities, config)}"


def _told(people: Sequence[Identity], paths: Sequence[Path], config: TrainConfig) -> str:
    made_from = f"{sum(len(identity.crops) for identity in people)} crops of {len(people)} identities"
    if not set_aside(len(people), config.hold_out):
        made_from += " (too few to set any aside: rank1 and map are of those trained on)"
    return f"{made_from} from {_names(paths)}"


def _names(paths: Sequence[Path]) -> str:
    return " ".join(path.name for path in paths)
