"""The study of the page on objects that COCO does not know, on the film that its commands are tested on."""

import fish
from helpers.swimmers import FISH, film


def test_each_fish_has_one_id_from_all_who_track(tmp_path, capsys):
    fish.main(film(tmp_path / "fish.mp4"), labelled_s=1)
    said = f"{FISH} ids, ByteTrack {FISH}"
    assert capsys.readouterr().out.splitlines() == [f"whole video: {said}", f"from 1 s on: {said}"]
