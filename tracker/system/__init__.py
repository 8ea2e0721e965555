"""The machine below the tracker: files, images, devices, engines, optional packages."""
