"""How many processes there is room for: what a container allows counts, not what the machine has."""

from types import SimpleNamespace

import psutil
import pytest

from tracker.jobs.batch import resources

GB = 1_000_000_000


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Sixteen cores and 64 GB, 40 of them free; and the folder in which a container would say otherwise."""
    monkeypatch.setattr(resources.os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=40 * GB))
    monkeypatch.setattr(resources, "_CGROUP", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("cpu", "memory", "used", "expected"),
    [
        pytest.param("max 100000", "max", 0, 16, id="a container without limits: the cores"),
        pytest.param("400000 100000", "max", 0, 4, id="four cores of it"),
        pytest.param("50000 100000", "max", 0, 1, id="half a core"),
        pytest.param("max 100000", str(8 * GB), 2 * GB, 4, id="6 GB of 8 left: the memory"),
        pytest.param("max 100000", str(1 * GB), 2 * GB, 1, id="nothing left"),
    ],
)
def test_the_least_of_cores_and_memory_counts(machine, cpu, memory, used, expected):
    (machine / "cpu.max").write_text(cpu + "\n")
    (machine / "memory.max").write_text(memory + "\n")
    (machine / "memory.stat").write_text(f"anon {used}\nfile 123\n")
    assert resources.processes() == expected


def test_without_a_container_it_is_the_machine_that_counts(machine):
    assert resources.processes() == 16
    assert resources.free_bytes() == 40 * GB
