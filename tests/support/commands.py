"""The `shop` command as a person runs it: a process of its own, with nothing in its environment that we did not put there."""

import os
import re
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import requests

from shop.serving import KILL_AFTER
from tests.support.serving import eventually

SHOP = (sys.executable, "-P", "-m", "shop")
OURS = re.compile(r"(SHOP|STRIPE|SANDBOX|NEWSROOM|NOTIFY|PYTHON|PYTEST|COVERAGE|MAKE|MFLAGS)")
KEYS = {"STRIPE_SECRET_KEY": "sk_test_" + "t" * 24, "STRIPE_WEBHOOK_SECRET": "whsec_" + "w" * 32}
PATIENCE = 300.0  # seconds; waited out only where something hangs


def environment(**settings: object) -> dict[str, str]:
    """This machine's environment without any of our variables, and these settings."""
    machine = {name: value for name, value in os.environ.items() if not OURS.match(name)}
    return machine | {name: str(value) for name, value in settings.items()}


@dataclass(frozen=True)
class Ran:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def refusal(self) -> str:
        """The one line with which it refused."""
        assert (self.status, self.out) == (2, ""), self
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        return lines[0]


def run(*words: str, env: Mapping[str, str], program: Sequence[str] = SHOP, cwd: Path | None = None) -> Ran:
    """Run `shop WORDS` to its end, with nobody at the keyboard."""
    ended = subprocess.run(
        [*program, *words],
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Ran(ended.returncode, ended.stdout, ended.stderr)


@dataclass(frozen=True)
class Running:
    """A command under way, leader of a process group of its own, as one that a shell starts is."""

    process: "subprocess.Popen[bytes]"
    log: Path
    mark: str

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def says(self, words: str) -> str:
        """Wait until it has said `words`, and return all that it said."""
        return str(eventually(lambda: self._alive() and words in self.said() and self.said(), PATIENCE))

    def answers(self, url: str) -> requests.Response:
        """Wait until it answers 200 at `url`."""
        response = eventually(lambda: self._alive() and _answer(url), PATIENCE)
        assert isinstance(response, requests.Response)
        return response

    def _alive(self) -> bool:
        assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.said()}"
        return True

    def everyone(self) -> list[int]:
        """Every process that it has started and that still runs, whoever its parent is now."""
        return _marked(self.mark)

    def stop(self, number: signal.Signals = signal.SIGTERM, *, group: bool = False) -> int:
        """Send the signal (to the whole group, as Ctrl-C does) and wait for the end. Returns the exit status.

        Fails when that takes so long that somebody must have been killed in the end who did not hear it.
        """
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        return self.process.wait(KILL_AFTER * 2 / 3)

    def nobody_is_left(self) -> bool:
        return bool(eventually(lambda: not self.everyone()))


@contextmanager
def running(
    *words: str, env: Mapping[str, str], log: Path, program: Sequence[str] = SHOP, cwd: Path | None = None
) -> Iterator[Running]:
    """`shop WORDS` for as long as the block lasts; what is left of it then is killed."""
    mark = uuid.uuid4().hex
    with log.open("wb") as written:
        process = subprocess.Popen(
            [*program, *words],
            env={**env, "STARTED_BY_TEST": mark},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=written,
            start_new_session=True,
        )
    try:
        yield Running(process, log, mark)
    finally:
        for pid in _marked(mark):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def _marked(mark: str) -> list[int]:
    wanted = f"STARTED_BY_TEST={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):  # gone meanwhile, or somebody else's
            if entry.name.isdigit() and wanted in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found


def _answer(url: str) -> requests.Response | None:
    with suppress(requests.RequestException):
        response = requests.get(url, timeout=5)
        if response.status_code == 200:
            return response
    return None


def answers_nothing(port: int) -> bool:
    """Whether nobody listens on the port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def free_ports(count: int) -> list[int]:
    """So many different ports of 127.0.0.1 on which nobody listens."""
    with ExitStack() as held:
        probes = [held.enter_context(closing(socket.socket())) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


@contextmanager
def listening(host: str = "127.0.0.1") -> Iterator[int]:
    """A port on which somebody else listens already."""
    six = ":" in host
    family = socket.AF_INET6 if six else socket.AF_INET
    with socket.create_server((host, 0), family=family, dualstack_ipv6=six) as other:
        yield other.getsockname()[1]
