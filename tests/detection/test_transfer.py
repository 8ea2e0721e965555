"""A file from an address, over real sockets: whole or not at all, and from its own hosts only."""

import hashlib
import socket
import threading

import pytest

from helpers.file_site import file_site
from tracker.detection.downloads.transfer import transfer
from tracker.errors import WeightsError

CONTENT = bytes(range(256)) * 20_000  # 5 MB: several reads


@pytest.fixture(scope="module")
def site():
    with file_site({"a": CONTENT}) as (address, _):
        yield address


@pytest.mark.parametrize("algorithm", ["", "sha256", "md5"])
def test_a_whole_file_stands_under_its_name(site, tmp_path, algorithm):
    digest = f"{algorithm}:{hashlib.new(algorithm, CONTENT).hexdigest()}" if algorithm else ""
    told = []
    transfer(
        f"{site}a", tmp_path / "new" / "a.pt", digest=digest, progress=lambda done, total: told.append((done, total))
    )
    assert (tmp_path / "new" / "a.pt").read_bytes() == CONTENT
    assert len(told) > 2 and told[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.pt"]


@pytest.mark.parametrize(
    ("page", "options", "says"),
    [
        ("cut/a", {}, f"it broke off after {len(CONTENT) // 2} of {len(CONTENT)} bytes"),
        ("a", {"digest": f"sha256:{'0' * 64}"}, "is not the file that was published there"),
        ("missing", {}, "the server answers 404"),
        ("away/a", {}, "it leads to localhost, which is not one of its own hosts"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_anything_else_leaves_nothing_and_what_was_there(site, tmp_path, page, options, says):
    (tmp_path / "a.pt").write_bytes(b"mine")
    with pytest.raises(WeightsError, match=says) as refused:
        transfer(f"{site}{page}", tmp_path / "a.pt", **options)
    assert f"{site}{page}" in str(refused.value) and "\n" not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"] and (tmp_path / "a.pt").read_bytes() == b"mine"


def test_it_follows_where_its_own_hosts_send_it(site, tmp_path):
    transfer(f"{site}round/a", tmp_path / "a.pt")
    transfer(f"{site}away/a", tmp_path / "b.pt", hosts=["localhost"])
    assert (tmp_path / "a.pt").read_bytes() == (tmp_path / "b.pt").read_bytes() == CONTENT


def test_nobody_there_is_one_sentence(tmp_path):
    with pytest.raises(
        WeightsError, match=r"could not be downloaded \(connection refused\), and nothing of it was kept"
    ):
        transfer("http://127.0.0.1:9/a.pt", tmp_path / "a.pt")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.0 200 OK\r\nContent-Length: many\r\n\r\nabc", "the server says that it has 'many' bytes"),
        (b"HTTP/1.0 200 OK\r\nContent-Length: -3\r\n\r\nabc", "the server says that it has '-3' bytes"),
        (b"HTTP/1.0 302 Found\r\nLocation: http://127.0.0.1:many/\r\n\r\n", "nonnumeric port"),
        (b"HTTP/1.0 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n", "is not allowed"),
        (b"no HTTP at all\r\n\r\n", r"\(no HTTP at all\)"),
    ],
    ids=["no length", "a length below 0", "no port", "a file of ours", "no HTTP"],
)
def test_an_answer_that_is_none_is_one_sentence(tmp_path, answer, says):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def once():
            with server.accept()[0] as asked:
                asked.recv(65_536)
                asked.sendall(answer)

        thread = threading.Thread(target=once)
        thread.start()
        with pytest.raises(WeightsError, match=says) as refused:
            transfer(f"http://127.0.0.1:{server.getsockname()[1]}/a.pt", tmp_path / "a.pt")
        thread.join()
    assert "\n" not in str(refused.value)
    assert not any(tmp_path.iterdir())
