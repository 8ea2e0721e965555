"""Settings for a user's own scenes: the association's and the bank's, chosen by HOTA on annotated sequences.

What does not depend on these settings is worked out once (`tracker.jobs.sequence_cache`); a trial only tracks and
scores. Optuna (Akiba et al., KDD 2019) proposes the trials, its journal in the output folder makes them resumable, and
a trial that is behind the median of the others after the same sequences is given up.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tracker import provenance
from tracker.config import Config
from tracker.datasets.mot import MotSequence, find_sequences
from tracker.errors import DataError, MissingExtraError, UsageError
from tracker.evaluation.tracking import combined_hota, hota_fields
from tracker.jobs.batch.pool import WorkerPool
from tracker.jobs.batch.sequences import followed, threads_here
from tracker.jobs.batch.worker import Tell
from tracker.jobs.sequence_cache import CachedSequence, see
from tracker.jobs.sequences import track_frames
from tracker.system.files import replace_text
from tracker.system.output_folder import claim
from tracker.tracker import Tracker

CONFIG, TABLE, JOURNAL = "config.yaml", "trials.csv", "journal.log"
SECTIONS = ("association", "bank")
RANGE = 2.0  # a setting is searched from its value / RANGE to its value * RANGE, within its bounds
_RANDOM_TRIALS = 10  # before the sampler learns from them, and before any is given up
_OF_APPEARANCE = {"bank.reid_s"} | {
    f"association.{name}" for name in ("appearance_weight", "reid_odds", "reid_margin", "reid_doubt")
}

Fields = Generator[dict[str, Any], None, None]  # of HOTA, a sequence at a time


@dataclass(frozen=True)
class Tuned:
    """Where a search stands.

    Attributes:
        start: HOTA of the settings it started from. best: of the best trial.
        trials: how many are finished, those of earlier runs included.
        settings: what the best trial's configuration has other than the defaults.
        config: the file to give to `--config`.
    """

    start: float
    best: float
    trials: int
    settings: dict[str, Any]
    config: Path


def tune(
    folders: Sequence[Path],
    out: Path,
    trials: int,
    config: Config | None = None,
    *,
    detections: str = "det",
    camera_motion: str | None = None,
    preproc: bool = True,
    device: str | None = None,
    jobs: int = 1,
    command: Sequence[str] = (),
    progress: Callable[[Tuned], None] = lambda _: None,
) -> Tuned:
    """Search for better settings until `out` holds `trials` finished trials; the first is the settings as they are.

    Args:
        folders: of sequences with ground truth. HOTA is of each folder's sequences together, and averaged over folders.
        out: gets config.yaml, trials.csv, Optuna's journal, and what was seen in images; trials there are gone on from.
        trials: finished ones to end with, those found included.
        config: where to start; None: the defaults.
        detections, camera_motion: as for `track_sequence`. preproc: as for `tracker.evaluation.tracking.score`.
        device: of the detector and the CNN, as for `Tracker`.
        jobs: processes, each for a sequence at a time; the trials and what they find are the same.
        command: the command line, to be noted in config.yaml.
        progress: called after each trial.

    Raises:
        MissingExtraError: Optuna is not installed.
        UsageError: no trials to make, or `out` holds trials of other data or settings.
        DataError: sequences without ground truth, or without what `track_sequence` asks for.
        OutputError: `out` cannot be written, or holds files of these names that no search of ours wrote.
    """
    if trials < 1:
        raise UsageError(f"trials is {trials}; give at least 1")
    tracker = Tracker(config, device=device)
    found = {str(folder): find_sequences([folder]) for folder in folders}
    for sequence in (s for sequences in found.values() for s in sequences):
        if not sequence.ground_truth_file.is_file():
            raise DataError(f"{sequence.folder} has no gt/gt.txt; tuning needs the ground truth of every sequence")
    claim(out, "tune", (CONFIG, TABLE, JOURNAL), folders)
    study = _study(out)
    subject = {
        "folders": {name: [s.name for s in sequences] for name, sequences in found.items()},
        "config": tracker.config.to_dict(),
        "given": [detections, camera_motion, preproc],
    }
    if study.user_attrs.get("subject", subject) != subject:
        raise UsageError(f"{out} holds trials of other data or settings; give another --out")
    study.set_user_attr("subject", subject)
    look = partial(_Looker, tracker.config, out / "seen", detections, camera_motion, preproc)
    every = [sequence for sequences in found.values() for sequence in sequences]
    with nullcontext() if jobs == 1 else WorkerPool(jobs, look, threads_here()) as pool:
        if pool is not None:  # each is looked at in one process, and read from its file in the others
            deque(followed(pool, [(sequence, None) for sequence in every]), 0)
        here = look(tracker)
        seen = [here.seen(sequence) for sequence in every]

        def scored(settings: Config) -> Fields:
            if pool is None:
                return (here((sequence, settings)) for sequence in every)
            return _in_order(followed(pool, [(sequence, settings) for sequence in every]), every)

        return _searched(
            study, _Search(tracker.config, found, seen, scored), trials, out, list(found), command, progress
        )


def _searched(
    study: Any,
    search: _Search,
    trials: int,
    out: Path,
    folders: Sequence[str],
    command: Sequence[str],
    progress: Callable[[Tuned], None],
) -> Tuned:
    """Make the trials that are missing."""

    def finished() -> list[Any]:
        return [trial for trial in study.trials if trial.state.name in ("COMPLETE", "PRUNED")]

    def keep() -> Tuned:
        best = search.config(study.best_params)
        so_far = Tuned(finished()[0].value, study.best_value, len(finished()), differences(best), out / CONFIG)
        replace_text(so_far.config, _config_text(so_far, folders, command))
        replace_text(out / TABLE, search.table(finished()))
        progress(so_far)
        return so_far

    if not finished():
        study.enqueue_trial({name: value for name, (value, _, _) in search.space.items()})
    study.optimize(search, max(0, trials - len(finished())), callbacks=[lambda *_: keep() and None])
    return keep()


def _study(out: Path) -> Any:
    """Optuna's study in `out`, begun or found there."""
    try:
        import optuna
        from optuna.storages.journal import JournalFileBackend
    except ImportError as missing:
        raise MissingExtraError("optuna is not installed; run: pip install 'lstm-tracker[tune]'") from missing
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    journal = out / JOURNAL
    _cut_to_whole_lines(journal)
    study = optuna.create_study(
        storage=optuna.storages.JournalStorage(JournalFileBackend(str(journal))),
        study_name="tune",
        direction="maximize",
        pruner=optuna.pruners.MedianPruner(_RANDOM_TRIALS),
        load_if_exists=True,
    )
    seed = len(study.trials)  # a search that goes on does not propose again what it began with
    study.sampler = optuna.samplers.TPESampler(n_startup_trials=_RANDOM_TRIALS, multivariate=True, seed=seed)
    return study


def _cut_to_whole_lines(path: Path) -> None:
    """Take away what a kill or a full disk left of a last line: Optuna would stumble over it ever after."""
    content = path.read_bytes() if path.is_file() else b""
    if content and not content.endswith(b"\n"):
        path.write_bytes(content[: content.rfind(b"\n") + 1])


class _Looker:
    """Looks at sequences once, and scores what settings make of them; a worker process has one of its own."""

    def __init__(
        self,
        config: Config,
        folder: Path,
        detections: str,
        camera_motion: str | None,
        preproc: bool,
        tracker: Tracker | None = None,
    ) -> None:
        self._tracker = tracker or Tracker(config)
        self._folder, self._given, self._preproc = folder, (detections, camera_motion), preproc
        self._seen: dict[Path, CachedSequence] = {}

    def seen(self, sequence: MotSequence) -> CachedSequence:
        """The sequence as it was seen."""
        if sequence.folder not in self._seen:
            self._seen[sequence.folder] = see(self._tracker, sequence, self._folder, *self._given)
        return self._seen[sequence.folder]

    def __call__(self, task: tuple[MotSequence, Config | None], _: Tell | None = None) -> dict[str, Any]:
        """The fields of HOTA on a sequence with these settings; with none, it is only looked at."""
        sequence, settings = task
        cached = self.seen(sequence)
        if settings is None:
            return {}
        with tempfile.TemporaryDirectory(prefix="tracker-tune-") as folder:
            result = Path(folder) / f"{sequence.name}.txt"
            track_frames(Tracker(settings), cached.frames, result)
            return hota_fields(sequence, result, self._preproc)


def _in_order(heard: Generator[tuple[Any, Any, Any], None, None], every: Sequence[MotSequence]) -> Fields:
    """The results of sequences as they follow one another, each as soon as those before it are there."""
    results: dict[Path, dict[str, Any]] = {}
    with closing(heard):
        for sequence in every:
            while sequence.folder not in results:
                (ended, _), _, results_of_it = next(heard)
                results[ended.folder] = results_of_it
            yield results.pop(sequence.folder)


class _Search:
    """What Optuna calls for each trial.

    Attributes:
        space: "section.setting" -> its value at the start, and the least and the greatest that are tried.
    """

    def __init__(
        self,
        config: Config,
        folders: Mapping[str, Sequence[MotSequence]],
        seen: Sequence[CachedSequence],
        scored: Callable[[Config], Fields],
    ) -> None:
        self._config, self._folders, self._scored = config, folders, scored
        idle = _idle(seen)
        self.space = {name: part for name, part in search_space(config).items() if name not in idle}

    def __call__(self, trial: Any) -> float:
        fields: dict[str, dict[str, Any]] = {name: {} for name in self._folders}
        alone: list[float] = []
        every = [(name, sequence) for name, sequences in self._folders.items() for sequence in sequences]
        with closing(self._scored(self.config({name: self._suggest(trial, name) for name in self.space}))) as scored:
            for (name, sequence), of_sequence in zip(every, scored, strict=True):
                fields[name][sequence.name] = of_sequence
                alone.append(combined_hota({"": of_sequence}))
                trial.report(sum(alone) / len(alone), len(alone))
                if trial.should_prune():
                    raise _pruned()
        scores = {name: combined_hota(parts) for name, parts in fields.items()}
        trial.set_user_attr("scores", scores)
        return sum(scores.values()) / len(scores)

    def config(self, values: Mapping[str, float]) -> Config:
        """The configuration of a trial."""
        nested: dict[str, dict[str, float]] = {section: {} for section in SECTIONS}
        for name, value in values.items():
            section, _, key = name.partition(".")
            nested[section][key] = value if isinstance(value, int) else float(f"{value:.3g}")
        return self._config.override(nested)

    def _suggest(self, trial: Any, name: str) -> float:
        value, low, high = self.space[name]
        if isinstance(value, int):
            return int(trial.suggest_int(name, int(low), int(high)))
        return float(trial.suggest_float(name, low, high, log=low > 0))

    def table(self, trials: Sequence[Any]) -> str:
        """trials.csv: a row a trial; no HOTA where it was given up."""
        text = io.StringIO()
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(["trial", "state", "seconds", "HOTA", *self._folders, *self.space])
        for trial in trials:
            seconds = round(trial.duration.total_seconds(), 1)
            scores = trial.user_attrs.get("scores", {})
            hota = [f"{sum(scores.values()) / len(scores):.3f}"] if scores else [""]
            each = [f"{scores[name]:.3f}" if scores else "" for name in self._folders]
            settings = [f"{trial.params[name]:.4g}" if name in trial.params else "" for name in self.space]
            lines.writerow([trial.number, trial.state.name.lower(), seconds, *hota, *each, *settings])
        return text.getvalue()


def search_space(config: Config) -> dict[str, tuple[float, float, float]]:
    """ "section.setting" -> its value, and the least and greatest to try: around the value, within its bounds.

    What is switched off by a 0 stays off.
    """
    space: dict[str, tuple[float, float, float]] = {}
    for section in SECTIONS:
        settings = getattr(config, section)
        for field in dataclasses.fields(settings):
            value, bounds = getattr(settings, field.name), field.metadata
            if isinstance(value, bool) or not isinstance(value, int | float) or not value or not bounds["tune"]:
                continue
            low, high = sorted((value / RANGE, value * RANGE))
            if isinstance(value, int):
                low, high = round(low), round(high)
            space[f"{section}.{field.name}"] = value, max(low, bounds["low"]), min(high, bounds["high"])
    return space


def _idle(sequences: Sequence[CachedSequence]) -> set[str]:
    """Settings without effect here: of embeddings, where there are none, and of classes, where there is one."""
    found = [frame.detections for cached in sequences for frame in cached.frames]
    embedded = any(part.features is not None for part in found)
    classes = len(set().union(*(part.classes.tolist() for part in found))) > 1
    return (set() if embedded else _OF_APPEARANCE) | (set() if classes else {"association.class_factor"})


def differences(config: Config) -> dict[str, Any]:
    """Nested settings in which `config` differs from the defaults at its sensitivity, and that, where it does."""
    ours = config.to_dict()
    theirs = Config(sensitivity=config.sensitivity).to_dict() | {"sensitivity": Config.sensitivity}
    sections = {
        name: {key: value for key, value in section.items() if value != theirs[name][key]}
        for name, section in ours.items()
        if isinstance(section, dict)
    }
    plain = {k: v for k, v in ours.items() if not isinstance(v, dict) and v != theirs[k]}
    return {name: section for name, section in sections.items() if section} | plain


def _config_text(found: Tuned, folders: Sequence[str], command: Sequence[str]) -> str:
    """config.yaml: opens with the result and the command."""
    lines = [
        f"# HOTA {found.best:.2f} on {', '.join(folders)}; {found.start:.2f} where the search began.",
        f"# The best of {found.trials} trials, chosen on these very sequences: look at others for what it is worth.",
        f"# Command: {provenance.command_line(command)}",
    ]
    settings = yaml.safe_dump(found.settings, sort_keys=False) if found.settings else ""
    return "\n".join(lines) + "\n" + settings


def _pruned() -> Exception:
    import optuna

    return optuna.TrialPruned()
