"""How good tracks are: TrackEval (Luiten et al., IJCV 2021) on MOTChallenge files, as papers report it; identities."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tracker.datasets.mot import FRAME, MotSequence, Table, find_sequences, results
from tracker.datasets.mot_classes import scored_truth
from tracker.errors import DataError
from tracker.evaluation import identity
from tracker.evaluation.matching import match

METRICS = ("HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDSW", "Frag", "FP", "FN", *identity.METRICS)
Scores = dict[str, float]


def score(
    gt_root: str | Path | Sequence[str | Path],
    results_dir: str | Path,
    sequences: Iterable[str] | None = None,
    preproc: bool = True,
) -> dict[str, Any]:
    """Scores of the files `results_dir/SEQUENCE.txt` against the ground truth.

    Args:
        gt_root: a sequence's folder, a folder of sequences, or several of them.
        results_dir: a folder of MOTChallenge result files, a file a sequence.
        sequences: names to score; None: all that have ground truth.
        preproc: MOT16/17/20's rule: only class 1 (pedestrian) counts, and boxes matched to distractors (people on
            vehicles, reflections, ...) are not held against the tracker. False: every flagged row counts, whatever
            its class; right for UA-DETRAC, KITTI and SportsMOT. Where `labels.txt` names other classes than MOT16's,
            every flagged row counts, too.

    Returns:
        {"combined": {metric: value}, "sequences": {name: {metric: value}}} with the `METRICS`: HOTA, DetA, AssA,
        MOTA, IDF1 in percent, IDSW, Frag, FP, FN counts, all by TrackEval. Purity and Completeness in percent, WrongID,
        the share of time in percent that objects go under another id than their own, and WrongID_frames and WrongID_s,
        the median of how long they do so at a time, are explained in `identity.py`.

    Raises:
        DataError: no ground truth, a missing result file, or one that is not valid; see `tracker.datasets.mot`.
    """
    roots = [gt_root] if isinstance(gt_root, str | Path) else list(gt_root)
    known = {s.name: s for s in find_sequences(roots) if s.ground_truth_file.is_file()}
    wanted = list(known) if sequences is None else list(sequences)
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        what = f"sequence {unknown[0]}" if unknown else "any sequence"
        raise DataError(
            f"no ground truth (gt/gt.txt) for {what} in {', '.join(map(str, roots))}; nothing to score with"
        )
    with tempfile.TemporaryDirectory(prefix="tracker-eval-") as folder:
        identities = {}
        for name in wanted:
            tables = _write_pair(known[name], Path(results_dir) / f"{name}.txt", Path(folder))
            identities[name] = identity.Identities.of(match(*tables, preproc), known[name].fps)
        raw = _trackeval(Path(folder), {name: known[name].length for name in wanted}, preproc)
    table = {name: _chosen(metrics["pedestrian"]) for name, metrics in raw.items()}
    together = identity.Identities.together(list(identities.values()))
    return {
        "combined": table["COMBINED_SEQ"] | together.scores(),
        "sequences": {name: table[name] | identities[name].scores() for name in wanted},
    }


def hota_fields(sequence: MotSequence, result_file: Path, preproc: bool = True) -> dict[str, Any]:
    """TrackEval's fields of HOTA for one sequence, over all thresholds, as `combined_hota` takes them.

    Raises:
        DataError: as `score`.
    """
    with tempfile.TemporaryDirectory(prefix="tracker-eval-") as folder:
        _write_pair(sequence, result_file, Path(folder))
        found = _trackeval(Path(folder), {sequence.name: sequence.length}, preproc, ("HOTA",))
    return dict(found[sequence.name]["pedestrian"]["HOTA"])


def combined_hota(fields: Mapping[str, Mapping[str, Any]]) -> float:
    """HOTA in percent of sequences together, by their names: what `score` calls combined."""
    import trackeval

    together = trackeval.metrics.HOTA({"PRINT_CONFIG": False}).combine_sequences(dict(fields))
    return 100 * float(np.mean(together["HOTA"]))


def _write_pair(sequence: MotSequence, result_file: Path, folder: Path) -> tuple[Table, Table]:
    """Ground truth and results of one sequence, and in `folder` in the one form TrackEval reads without surprises."""
    truth, result = scored_truth(sequence.ground_truth_file), results(result_file)
    for path, table in ((sequence.ground_truth_file, truth), (result_file, result)):
        last = table[:, FRAME].max(initial=0)
        if last > sequence.length:
            raise DataError(
                f"{path} has frame {last:.0f}, but {sequence.name} has {sequence.length} frames; frames count from 1"
            )
    ground_truth_file = folder / "gt" / sequence.name / "gt" / "gt.txt"
    tracker_file = folder / "results" / "ours" / "data" / f"{sequence.name}.txt"
    for path in (ground_truth_file, tracker_file):
        path.parent.mkdir(parents=True, exist_ok=True)
    _save(ground_truth_file, truth)
    _save(tracker_file, result)
    return truth, result


def _save(path: Path, table: Table) -> None:
    np.savetxt(path, table, delimiter=",", fmt=["%d", "%d"] + ["%.17g"] * (table.shape[1] - 2))


def _trackeval(
    folder: Path, lengths: Mapping[str, int], preproc: bool, families: Sequence[str] = ("HOTA", "CLEAR", "Identity")
) -> dict[str, Any]:
    """TrackEval's nested result for the one tracker in `folder`: {sequence or COMBINED_SEQ: {class: {family: ...}}}."""
    import trackeval

    quiet = {"PRINT_CONFIG": False}
    evaluator = {
        "PRINT_RESULTS": False,
        "TIME_PROGRESS": False,
        "OUTPUT_SUMMARY": False,
        "OUTPUT_DETAILED": False,
        "PLOT_CURVES": False,
        "LOG_ON_ERROR": None,
    }
    dataset = {
        "GT_FOLDER": str(folder / "gt"),
        "TRACKERS_FOLDER": str(folder / "results"),
        "TRACKERS_TO_EVAL": ["ours"],
        "SEQ_INFO": dict(lengths),
        "SKIP_SPLIT_FOL": True,
        "DO_PREPROC": preproc,
    }
    silence = io.StringIO()
    try:
        with contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
            found, _ = trackeval.Evaluator(evaluator | quiet).evaluate(
                [trackeval.datasets.MotChallenge2DBox(dataset | quiet)],
                [getattr(trackeval.metrics, family)(quiet) for family in families],
            )
    except trackeval.utils.TrackEvalException as error:
        raise DataError(
            f"TrackEval refuses the files ({error}); check classes, or score without preprocessing"
        ) from error
    return dict(found["MotChallenge2DBox"]["ours"])


def _chosen(families: Mapping[str, Mapping[str, Any]]) -> Scores:
    hota, clear, identity = families["HOTA"], families["CLEAR"], families["Identity"]
    percent = {name: 100 * float(np.mean(hota[name])) for name in ("HOTA", "DetA", "AssA")}
    percent |= {"MOTA": 100 * float(clear["MOTA"]), "IDF1": 100 * float(identity["IDF1"])}
    counts = {"IDSW": "IDSW", "Frag": "Frag", "FP": "CLR_FP", "FN": "CLR_FN"}
    return percent | {name: int(clear[key]) for name, key in counts.items()}
