"""YOLO-World and YOLOE: detectors that look for what is said in words."""
