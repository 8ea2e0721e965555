"""The files that run a site as a service are what they are meant for: read, checked, and of one piece with the docs."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tracker.site.config import SiteConfig

FOLDER = Path(__file__).parents[2] / "docs" / "examples" / "site"


def test_the_site_of_the_page_is_one():
    config = SiteConfig.load(FOLDER / "site.yaml")
    assert list(config.cameras) == ["door", "yard"]
    assert config.gallery == "shared" and config.publish.to == ("mqtt://broker/street",)
    assert "password" not in repr(config)


def test_the_container_may_do_nothing_that_it_need_not():
    service = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]["tracker"]
    assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["user"] == "1000:1000"
    assert "/health" in service["healthcheck"]["test"][-1]


def test_systemd_understands_the_unit(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    text = (FOLDER / "track-serve.service").read_text().replace("/opt/tracker/bin/track", "/bin/true")
    (tmp_path / "track-serve.service").write_text(text)
    told = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / "track-serve.service"], capture_output=True, text=True
    )
    assert told.returncode == 0 and "track-serve.service:" not in told.stderr, told.stderr
