"""A site on this machine from which files are downloaded, and which does to them what sites do."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _Pages(BaseHTTPRequestHandler):
    """/NAME is a file; /cut/NAME ends half way; /away/NAME leads to another host, /round/NAME to /NAME."""

    files: Mapping[str, bytes]
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        *way, name = self.path.strip("/").split("/")
        if name not in self.files:
            self.send_error(404)
        elif way in (["away"], ["round"]):
            self.send_response(302)
            host = "localhost" if way == ["away"] else "127.0.0.1"
            self.send_header("Location", f"http://{host}:{self.server.server_address[1]}/{name}")
            self.end_headers()
        else:
            content = self.files[name]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if way == ["cut"] else content)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def file_site(files: Mapping[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """The site's address, which ends in a slash, and the list of what it is asked for."""
    asked: list[str] = []
    pages = type("Pages", (_Pages,), {"files": files, "asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), pages) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/", asked
        finally:
            server.shutdown()
            thread.join()
