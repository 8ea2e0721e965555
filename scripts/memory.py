"""Does memory grow with a video's length? Loops a clip into one long video, tracks it, prints memory after each loop.

python scripts/memory.py people.mp4 --loops 20
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import av
import psutil
import typer

from tracker.run import Output, Progress, run


def looped(clip: Path, path: Path, loops: int) -> int:
    """Write the clip's packets `loops` times over, without encoding anew; returns the frames of one loop."""
    with av.open(str(clip)) as source, av.open(str(path), "w") as target:
        stream = source.streams.video[0]
        packets = [
            (bytes(p), p.pts, p.dts, p.is_keyframe, p.time_base) for p in source.demux(stream) if p.dts is not None
        ]
        copy = target.add_stream_from_template(stream)
        length = max(pts for _, pts, *_ in packets) - min(pts for _, pts, *_ in packets) + packets[1][2] - packets[0][2]
        for loop in range(loops):
            for data, pts, dts, key, time_base in packets:
                packet = av.Packet(data)
                packet.pts, packet.dts = pts + loop * length, dts + loop * length
                packet.is_keyframe, packet.time_base, packet.stream = key, time_base, copy
                target.mux(packet)
    return len(packets)


def main(
    clip: Annotated[Path, typer.Argument(help="A video.")],
    loops: Annotated[int, typer.Option(min=2, help="How often it is repeated.")] = 20,
) -> None:
    """Resident memory of the main job after each loop."""
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "looped.mp4"
        frames = looped(clip, video, loops)

        def show(progress: Progress) -> None:
            if progress.frames % frames == 0:
                resident = psutil.Process().memory_info().rss / 2**20
                print(f"loop {progress.frames // frames}: {resident:.0f} MiB", flush=True)

        run([video], output=Output(project=Path(folder)), progress=show)


if __name__ == "__main__":
    typer.run(main)
