"""A real Varnish in front of an app, configured as docs/varnish.vcl shows it."""

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.commands import free_ports
from tests.support.serving import eventually

VCL = Path(__file__).parent.parent.parent / "docs" / "varnish.vcl"


@contextmanager
def varnish_before(url: str, folder: Path) -> Iterator[str]:
    """The address of a Varnish that asks the app at `url`. Its files lie in `folder`."""
    program = shutil.which("varnishd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    assert program, "no varnishd on this machine: `make test` installs Debian's package varnish"
    port = urlsplit(url).port
    vcl = folder / "shop.vcl"
    vcl.write_text(re.sub(r'\.port = "\d+"', f'.port = "{port}"', VCL.read_text(encoding="utf-8")), encoding="utf-8")
    (own,) = free_ports(1)
    process = subprocess.Popen(
        [
            *(program, "-F", "-n", str(folder / "work"), "-a", f"127.0.0.1:{own}", "-T", "none", "-f", str(vcl)),
            *("-s", "malloc,32m", "-j", "none", "-p", "thread_pools=1", "-p", "thread_pool_min=20"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        eventually(lambda: _listens(own) or process.poll() is not None)
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        yield f"http://127.0.0.1:{own}"
    finally:
        process.terminate()
        process.communicate(timeout=20)


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
