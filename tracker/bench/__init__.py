"""Speed and memory: of whole runs beside other trackers, and of `Tracker.update` alone as a stream grows."""
