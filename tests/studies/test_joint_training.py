"""The people that the study of joint training holds out."""

from pathlib import Path

import cv2
import numpy as np

import joint_training


def test_every_third_person_is_held_out_with_all_pictures_and_nobody_is_on_both_sides(tmp_path: Path) -> None:
    synthetic = tmp_path / "synthetic"
    synthetic.mkdir()
    for person in (2, 7, 10, 11, 1500):
        for camera in (1, 2):
            name = f"{person:04d}_c{camera}s1_000151_00.jpg"
            cv2.imwrite(str(synthetic / name), np.full((16, 8, 3), person % 256, np.uint8))
    cv2.imwrite(str(synthetic / "-1_c1s1_000151_00.jpg"), np.zeros((16, 8, 3), np.uint8))
    for _ in range(2):  # a resumed study splits again
        fit, held = joint_training.split(synthetic, tmp_path / "out")
    people = [sorted({file.name[:4] for file in folder.iterdir()}) for folder in (fit, held)]
    assert people == [["0007", "0010", "1500"], ["0002", "0011"]]
    assert [len(list(folder.iterdir())) for folder in (fit, held)] == [6, 4]
    assert all(file.read_bytes() == (synthetic / file.name).read_bytes() for file in held.iterdir())
