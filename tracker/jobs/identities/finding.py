"""Who is who in an archive: identities over all its videos, as `identities.csv` has them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from tracker.columns.documented import IDENTITIES, names
from tracker.jobs.identities.archive import IdentityArchive
from tracker.jobs.identities.clustering import Stays, clustered
from tracker.jobs.identities.entries import Entries
from tracker.jobs.identities.neighbours import Vectors, neighbours
from tracker.structures import Floats, Ints
from tracker.system.files import csv_text


@dataclass(frozen=True)
class IdentitiesFound:
    """How many there are.

    Attributes:
        videos, tracks, identities: of them all. shared: identities that are in more than one video.
        left_out: tracks beyond what a gallery holds, those that were seen worst.
    """

    videos: int
    tracks: int
    identities: int
    shared: int
    left_out: int


def find_identities(archive: IdentityArchive) -> IdentitiesFound:
    """Find identities in all videos, and write `identities.csv` anew. They are numbered as they come in the table.

    Raises:
        DataError: a file of the gallery is damaged. OutputError: the table cannot be written.
        MissingExtraError: there are so many tracks that an index is needed, and faiss is not installed.
    """
    entries = Entries(archive.videos())
    found, similarity, odds = identified(entries)
    archive.write_table(_table(entries, found, similarity, odds))
    count = int(found.max(initial=0))
    pairs = np.unique(np.column_stack([found, entries.rows["video"]]), axis=0)
    shared = int((np.bincount(pairs[:, 0], minlength=1) > 1).sum())
    return IdentitiesFound(len(entries.videos), len(found), count, shared, entries.left_out)


def identified(entries: Entries, more_odds: float = 0.0) -> tuple[Ints, Floats, Floats]:
    """The identity of each of N tracks, from 1 in the order of their first ones; (N,) the mean similarity to the other
    tracks of it, and (N,) what that is in log-odds, NaN where there are none.

    Args:
        more_odds: as of `Likeness.least`.
    """
    labels = np.arange(len(entries.rows))
    similarity, odds = np.full((2, len(labels)), np.nan, np.float32)
    for kind, likeness in enumerate(entries.likeness):
        rows = np.flatnonzero(entries.rows["kind"] == kind)
        vectors, least = entries.vectors[rows], likeness.least(len(rows), more_odds)
        near = neighbours(vectors, least)
        labels[rows] = rows[clustered(vectors, near, partial(_stays, entries, rows), least)]
        similarity[rows] = _to_the_others(vectors, labels[rows])
        odds[rows] = likeness.odds(similarity[rows])
    odds[np.isnan(similarity)] = np.nan
    return np.unique(labels, return_inverse=True)[1] + 1, similarity, odds


def _stays(entries: Entries, rows: Ints, row: int) -> Stays:
    return entries.stays(int(rows[row]))


def _to_the_others(vectors: Vectors, labels: Ints) -> Floats:
    """(N,) mean similarity of each vector to the others of its label."""
    mean = np.full(len(vectors), np.nan, np.float32)
    order = np.argsort(labels, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1):
        if len(rows) > 1:
            own = vectors[rows].astype(np.float32)
            mean[rows] = (own @ own.sum(axis=0) - np.einsum("nd,nd->n", own, own)) / (len(rows) - 1)
    return mean


def _table(entries: Entries, found: Ints, similarity: Floats, odds: Floats) -> str:
    """`identities.csv`."""
    probability = 1 / (1 + np.exp(-np.clip(odds, -60, 60)))
    rows = (
        (
            identity,
            entries.videos[row["video"]][1],
            row["id"],
            entries.kinds[row["kind"]],
            f"{row['first_s']:.4f}",
            f"{row['last_s']:.4f}",
            "" if np.isnan(alike) else f"{alike:.4f}",
            "" if np.isnan(alike) else f"{sure:.4f}",
            entries.videos[row["video"]][0],
        )
        for identity, row, alike, sure in zip(found.tolist(), entries.rows, similarity, probability, strict=True)
    )
    ordered = sorted(rows, key=lambda row: row[0])
    return csv_text([names(IDENTITIES), *ordered])
