"""Sources of frames: files, cameras, URLs, image folders."""
