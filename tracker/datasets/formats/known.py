"""The formats there are, by their names on the command line."""

from tracker.datasets.formats.coco_video import COCO_VIDEO
from tracker.datasets.formats.cvat import CVAT
from tracker.datasets.formats.label_studio import LABEL_STUDIO
from tracker.datasets.formats.mot_folder import MOT
from tracker.datasets.formats.mots import MOTS
from tracker.datasets.formats.parquet import PARQUET
from tracker.datasets.formats.yolo_tracks import YOLO

FORMATS = {
    "cvat": CVAT,
    "coco-video": COCO_VIDEO,
    "labelstudio": LABEL_STUDIO,
    "yolo": YOLO,
    "mot": MOT,
    "mots": MOTS,
    "parquet": PARQUET,
}
