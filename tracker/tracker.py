"""The whole way of a frame, in the order it goes: detect, compensate camera, predict, embed, associate, update, start.

This is the only file that knows all parts; every part knows only its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike

from tracker import camera_motion as camera
from tracker import checkpoint
from tracker.affine import Affine, identity, is_identity
from tracker.analytics.history import History, TrackHistory
from tracker.appearance.colours import ColourMemory
from tracker.appearance.comparison import Comparison
from tracker.appearance.gallery import Gallery
from tracker.appearance.normalisation import SimilarityScale, crop_quality
from tracker.appearance.reidentification import Returns, met, met_by_all, reid_odds, reidentify
from tracker.appearance.selection import worth_embedding
from tracker.association.assignment import Candidates
from tracker.association.stages import (
    Decision,
    Matches,
    TrackPredictions,
    add_far,
    appearance_bonus,
    associate,
    decision_of,
    motion_similarity,
)
from tracker.bank import TrackBank
from tracker.columns.embeddings import TakenEmbeddings
from tracker.config import Config
from tracker.detection.given import as_input
from tracker.detection.looks import Looks
from tracker.detection.score_calibration import ScoreScale
from tracker.export.networks import Networks
from tracker.motion.blas import one_thread
from tracker.smoothing import stream
from tracker.structures import FEATURE_SIZE, TENTATIVE, Detections, Floats, Image, Ints, Tracks
from tracker.system import state
from tracker.system.renamed import renamed_argument
from tracker.system.state import Names, Stateful, fits
from tracker.system.stopwatch import Timed
from tracker.video.frame_times import FrameTimes

if TYPE_CHECKING:
    from tracker.appearance.embedder import Embedder
    from tracker.detection.detector import Detector
    from tracker.video.source import Frame


class Tracker(Stateful):
    """Turns the frames of one stream into tracks.

    Args:
        config: a `Config`, the name of a preset ("sports"), a YAML file, or None for the defaults.
        device: "auto", "cpu", "cuda" or "cuda:N"; overrides the configuration's.
        gallery: a memory of all objects that other trackers use, too: ids are then unique across them, and what leaves
            one camera can appear under the same id in another. Their times must come from one clock. None: its own.

    The detector and the CNN are loaded when they are first needed: with your own detections and features neither is.
    State belongs to the object: trackers in one process are independent, and `save` and `load` go on in another.

    Attributes:
        stage_seconds (dict[str, float]): seconds spent so far in each stage.
        camera_motion (Floats): (2, 3) affine from the pixels of the frame before to those of the last frame.
        gallery (Gallery): every identity seen, with its appearance embeddings.
        networks (Networks): detector, CNN and motion model, which trackers of equal settings may share.
        looks (Looks): which frames are looked at.
        features (Floats | None): (N, D) embeddings of the last detections; NaN: none taken; None: none at all.
        keep_decision (bool): set it for a frame to see why its detections were matched; that changes no track.
        decision (Decision | None): of the last frame, where kept: the terms of every pair, and what was matched.
        returns (Returns | None): of the last frame, where kept: new tracks that may be somebody who was here before.

    Examples:
        >>> tracks = Tracker().update(None, Detections([[10, 20, 50, 100]], scores=[0.9]))
        >>> tracks.ids.tolist(), tracks.detection_index.tolist()
        ([1], [0])
    """

    saved: ClassVar[Names] = ("gallery", "_camera_number", "_bank", "_camera", "_similarity_scale", "_scale", "_times")
    saved += ("looks", "camera_motion", "_colours")
    rebuilt: ClassVar[Names] = ("config", "stage_seconds", "features", "keep_decision", "decision", "returns")
    rebuilt += ("networks", "_shared", "_names", "_history")

    def __init__(
        self, config: Config | str | Path | None = None, *, device: str | None = None, gallery: Gallery | None = None
    ) -> None:
        self.config = config if isinstance(config, Config) else Config.load(config) if config else Config()
        if device is not None:
            self.config = replace(self.config, device=device)
        self.stage_seconds = dict.fromkeys(("detect", "camera motion", "appearance", "motion+association"), 0.0)
        self.keep_decision = False
        self.networks = Networks(self.config)
        self._shared = gallery
        self.reset()

    def reset(self) -> None:
        """Forget all tracks; ids start at 1 again, unless the gallery is shared. Networks stay loaded."""
        self.gallery = Gallery(self.config.bank) if self._shared is None else self._shared
        self._camera_number = self.gallery.new_camera()
        self._bank = self._new_bank()
        self._camera = camera.CameraMotion(self.config.camera)
        self._similarity_scale: SimilarityScale | None = None
        self._scale, self._colours = ScoreScale(), ColourMemory(self.config.bank.memory_size)
        self._times, self._history = FrameTimes(1 / self.config.frame_rate), History()
        self.looks = Looks(self.config.detector.every, self.config.detector.look_within_s)
        self.camera_motion = identity()
        self.features: Floats | None = None
        self.decision: Decision | None = None
        self.returns: Returns | None = None
        self._names: dict[int, str] = {}  # of classes, by all detections so far

    def save(self, path: str | Path) -> None:
        """Write everything it knows by now to a file that `load` reads, in place of what is there.

        A gallery that it shares with other trackers is not part of it: `Gallery.save` writes that. Errors as of
        `checkpoint.save`; what was there stays.
        """
        saved = self.state_dict([] if self._shared is None else ["gallery"])
        checkpoint.save(path, self.config, saved, self.networks.detects, self._shared is not None)

    @classmethod
    def load(cls, path: str | Path, device: str | None = None, gallery: Gallery | None = None) -> Self:
        """A tracker that goes on where the saved one was: on the same machine and device bit for bit.

        Args:
            path: of `save`; errors as of `checkpoint.opened`. device: overrides the saved configuration's.
            gallery: of a tracker that shares one: that, saved at the same moment or later.
        """
        config, saved = checkpoint.opened(path, gallery)
        tracker = cls(config, device=device)
        if gallery is not None:
            tracker.gallery = tracker._shared = gallery
            tracker._bank = tracker._new_bank()
        with state.loading(path):
            tracker.load_state_dict(saved, [] if gallery is None else ["gallery"])
        return tracker

    def load_state_dict(self, saved: Mapping[str, Any], without: Collection[str] = ()) -> None:
        """As of `Stateful`; the similarity calibration is there once it has begun."""
        if any(name.startswith("similarity_scale.") for name in saved):
            _ = self._stream_scale
        super().load_state_dict(saved, without)

    def _check_state(self) -> None:
        newest = int(self._bank.ids(self._bank.live).max(initial=0))
        fits(self.gallery.gave(self._camera_number, newest, self._bank.slots.width), "its gallery, older or another,")

    def _new_bank(self) -> TrackBank:
        return TrackBank(self.networks.motion.fresh(), self.config.bank, self.gallery.new_ids)

    @property
    def detector(self) -> Detector:
        """The detector, loaded at first use."""
        return self.networks.detector

    @property
    def embedder(self) -> Embedder:
        """The CNN that turns crops into features, loaded at first use."""
        return self.networks.embedder

    @property
    def _stream_scale(self) -> SimilarityScale:
        """The similarity calibration to this stream, begun with its first features."""
        if self._similarity_scale is None:
            self._similarity_scale = SimilarityScale.before_any(self.networks.calibration)
        return self._similarity_scale

    @one_thread()
    def update(
        self,
        frame: Image | None,
        detections: Detections | None = None,
        camera_motion: ArrayLike | None = None,
        time_s: float | None = None,
        look: bool | None = None,
    ) -> Tracks:
        """Track one frame.

        Args:
            frame: (H, W, 3) uint8 BGR, as OpenCV gives it; None where there is no image.
            detections: your own, also as Ultralytics or supervision have them; None: the detector looks at `frame`.
                Features that they come with are used as they are; else the CNN looks at `frame`. In either order.
            camera_motion: (2, 3) affine from the previous frame to this one; None: estimated from the images.
            time_s: time of the frame in seconds, later than the last; None: one frame interval after it.
            look: False: nothing is looked for, which is not as if nothing is found: no track is lost or ends by it.
                None: with detections yes, without them where it is `due`.

        Returns:
            The tracks of this frame: seen ones (tentative or confirmed) and predicted boxes of those occluded or missed
            for a moment; without a look predicted boxes of all confirmed ones.

        Raises:
            InputError: neither frame nor detections; detections without a look; a frame, affine or time that cannot be.
        """
        image, detections = as_input(frame, detections, look is None or bool(look))
        affine = None if camera_motion is None else camera.checked(camera_motion)
        time_s = self._times.next(time_s)
        if not (detections is not None or self.looks.due(time_s) if look is None else look):
            with Timed(self.stage_seconds, "motion+association"):
                return self._coast(image, affine, time_s)
        with Timed(self.stage_seconds, "detect"):
            seen, found, given = self._detect(image, detections)
        with Timed(self.stage_seconds, "motion+association"):
            self._prepare(image, found)
            gap = self._times.take(time_s)  # taken: what failed until here left no trace
            confidence = self._scale(found.scores) if self.config.association.stretch_scores else found.scores
            self._compensate(image, found.xyxy, affine, time_s)
            tracks = self._bank.predict(time_s, gap, found.xyxy)
            motion = motion_similarity(tracks, found, self.config.association)
        with Timed(self.stage_seconds, "appearance"):
            found = self._embed(image, found, confidence, tracks, motion, time_s)
        with Timed(self.stage_seconds, "motion+association"):
            size = None if image is None else (float(image.shape[1]), float(image.shape[0]))
            matches, looks = self._match(tracks, found, given, confidence, motion, size, time_s)
            found = found if looks is None or size is None else self._bank.own(found, matches, looks, size, time_s)
            self._bank.update(matches, found, confidence, time_s, size)
            self._reidentify(image, found, time_s)
            self._remember(found, time_s)
            return self._report(seen, found, given, time_s)

    def due(self, time_s: float | None = None, passed: int = 0) -> bool:
        """Whether a frame is to be looked at (`detector.every`), after so many more that are not; time as there."""
        return self.looks.due(self._times.next(time_s), passed)

    @renamed_argument("hindsight", "fixed_lag")
    def stream(self, source: Any, vid_stride: int = 1, fixed_lag: bool = False) -> Iterator[tuple[Frame, Tracks]]:
        """Track a whole source (file, folder, glob, camera number, URL) afresh: its frames with their tracks, in order.

        Args:
            source: what to track. vid_stride: use every Nth frame.
            fixed_lag: smoothed as in files, half a second late (`smoothing/fixed_lag.py`), without tentative rows.
        """
        return stream.tracked(self, source, vid_stride, fixed_lag)

    def smooth(self, updates: Iterable[Tracks]) -> Iterator[Tracks]:
        """Fixed-lag smoothing for one's own detections: what `stream(fixed_lag=True)` and the files have.

        Args:
            updates: what `update` returns for frame after frame, each taken before the next is made (a generator).

        Returns:
            The tracks of every frame, half a second late, without tentative rows; the last ones when `updates` ends.

        Raises:
            InputError: tracks that are not those of the last update.
        """
        return stream.smoothed(self, updates, lambda: self._times.last_s)

    def history(self, track: int) -> TrackHistory:
        """Where a track was in the last 300 frames; of length 0 where it was in none. It begins anew with `load`."""
        return self._history.of(track)

    def _detect(self, image: Image | None, detections: Detections | None) -> tuple[Detections, Detections, Ints]:
        """The detections as they came, then the surest first and without what they only carry; (M,) the rows of these.

        One order for equal sets of detections: the result cannot depend on how they were listed.
        """
        if detections is None:
            assert image is not None
            detections = self.detector([image])[0]
        if not detections.names.items() <= self._names.items():
            self._names = {**self._names, **detections.names}
        given = np.lexsort((*detections.xyxy.T[::-1], -detections.scores))
        return detections, detections.bare[given], given

    def _coast(self, image: Image | None, affine: Affine | None, time_s: float) -> Tracks:
        """The tracks of a frame that is not looked at."""
        self._compensate(image, self._bank.boxes(), affine, time_s)
        self._bank.predict(time_s, self._times.take(time_s))
        self._bank.coast(time_s)
        self.features = self.decision = self.returns = None
        self.looks.passed()
        return self._history.added(self._bank.report(time_s, self._times.interval_s, self._names, None))

    def _prepare(self, image: Image | None, found: Detections) -> None:
        """Load what this frame may need: weights that cannot be read are an error before anything was learned."""
        width = found.features.shape[1] if found.features is not None and len(found) else None
        if self._embeds(image, found):
            _, width = self.embedder, FEATURE_SIZE
        if width is not None:
            _ = self.networks.calibration
            self.gallery.widen(width)
            self._bank.slots.widen(width)

    def _embeds(self, image: Image | None, found: Detections) -> bool:
        """Is it for the CNN to say what these look like?"""
        return len(found) > 0 and image is not None and found.features is None and self.config.appearance.enabled

    def _compensate(self, image: Image | None, objects: Floats, affine: Affine | None, time_s: float) -> None:
        """Move the tracks with the picture: by the caller's affine, or by how the pictures and their sizes differ."""
        if affine is None and image is not None:
            with Timed(self.stage_seconds, "camera motion", within="motion+association"):
                affine = self._camera.estimate(image, time_s, objects)
        self.camera_motion = identity() if affine is None else affine
        if not is_identity(self.camera_motion):
            self._bank.warp(self.camera_motion)
            self.looks.warp(self.camera_motion)

    def _embed(
        self,
        image: Image | None,
        found: Detections,
        confidence: Floats,
        tracks: TrackPredictions,
        motion: Candidates,
        time_s: float,
    ) -> Detections:
        """Embed the crops that are worth it. Detections that came embedded stay as they are, as without a picture."""
        if image is None or not self._embeds(image, found):
            return found
        settings = self.config.association
        refresh_s, reid_s = self.config.appearance.refresh_s, self.config.bank.reid_s
        stale = self._bank.slots.stale(self._bank.live, time_s, refresh_s, reid_s)
        confirmed = motion.matrix(len(tracks.status), len(found)) * (tracks.status != TENTATIVE)[:, None]
        wanted = worth_embedding(confirmed, stale, found.xyxy, confidence >= settings.high_score, settings.min_overlap)
        features = np.full((len(found), FEATURE_SIZE), np.nan, np.float32)
        if wanted.any():
            features[wanted] = self.embedder(image, found.xyxy[wanted], found.pixels)
        return found.with_features(features)

    def _match(
        self,
        tracks: TrackPredictions,
        found: Detections,
        given: Ints,
        confidence: Floats,
        motion: Candidates,
        size: tuple[float, float] | None,
        time_s: float,
    ) -> tuple[Matches, Comparison | None]:
        """The one decision of a frame, by motion and appearance; and what it compared. Their scale learns of it."""
        settings, appearance, self.decision = self.config.association, None, None
        if found.features is not None and len(found):
            self._stream_scale.learn(found)
            own, live, status = self._bank.slots, self._bank.live, tracks.status
            bonus = partial(appearance_bonus, config=settings)
            odds = partial(self._stream_scale.log_odds, self.networks.calibration)
            appearance = Comparison(own.embeddings, live, own.ages(live, time_s), status, found, size, odds, bonus)
        matches = associate(tracks.status, confidence, motion, appearance, settings)
        matches = add_far(matches, tracks, found, self._bank.sure(confidence), appearance, self._bank.reach)
        if self.keep_decision:
            decided = self._bank.ids(self._bank.live), tracks, found, given, confidence, motion, appearance, matches
            self.decision = decision_of(*decided, settings)
        if self._bank.cut(matches, found, confidence, time_s):
            self._scale, self.decision = ScoreScale(), None
            return Matches.none(), None
        if appearance is not None:
            same = appearance.lately(matches.tracks, matches.detections)
            self._stream_scale.learn_same(same, found.classes[matches.detections])
        return matches, appearance

    def _reidentify(self, image: Image | None, found: Detections, time_s: float) -> None:
        """Re-identification: new tracks that look like absent ones get their ids back, or are pending."""
        bank, settings, self.returns = self._bank, self.config.association, None
        looked_at = bank.slots.embedded(bank.live, time_s)
        self._colours.look(image, bank.ids(looked_at), found, bank.detections(looked_at), time_s)
        if found.features is None or not len(young := bank.newly_seen(time_s, self.gallery.ids(time_s))):
            return
        embeddings, classes = bank.slots.embeddings.take(young, axis=0), bank.classes(young)
        sightings, born_s = bank.sightings(), bank.slots.born_s.take(young)
        known = self.gallery.recall(embeddings, met_by_all(sightings, born_s), self._camera_number, time_s)
        seconds = known.seconds[..., None]
        by_appearance = self._stream_scale.log_odds(self.networks.calibration, known.similarity, seconds, classes)
        ruled_out = (known.classes[:, None] != classes) | met(known.ids, sightings, born_s)
        otherwise = bank.motion_odds(known.ids, young) + self._colours.odds(known.ids, bank.ids(young), classes)
        odds = reid_odds(known, by_appearance, otherwise, ruled_out)
        self.returns = Returns(known.ids, bank.ids(young), odds) if self.keep_decision else None
        rows, new = reidentify(odds, settings)
        bank.set_pending(young, np.any(odds > settings.reid_doubt, axis=0))
        if len(new):
            self.gallery.forget(bank.ids(young[new]))
            bank.reactivate(young[new], known.ids[rows])

    def _remember(self, found: Detections, time_s: float) -> None:
        """Keep the embeddings that were taken of confirmed tracks in this frame."""
        if found.features is None or not len(slots := self._bank.embedded(time_s)):
            return
        rows = self._bank.detections(slots)
        quality = crop_quality(found.xyxy, found.scores)[rows]
        ids, classes = self._bank.ids(slots), self._bank.classes(slots)
        self.gallery.remember(ids, classes, found.features, quality, self._camera_number, time_s, rows)

    def _report(self, seen: Detections, found: Detections, given: Ints, time_s: float) -> Tracks:
        """The tracks of this frame, of which the looks learn; `features` in the caller's order."""
        self.features = seen.features
        if seen.features is None and found.features is not None:
            self.features = found.features[np.argsort(given)]
        tracks = self._bank.report(time_s, self._times.interval_s, self._names, given)
        self.looks.learn(tracks, found.xyxy, given)
        return self._history.added(replace(tracks, detected=seen.columns, embedded=TakenEmbeddings.of(self.features)))
