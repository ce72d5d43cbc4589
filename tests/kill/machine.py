"""A machine that the shop runs on: its processes are started, die at a named point as by a loss of power, and are started again."""

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shop.db import Database
from shop.sandbox.control import Control
from tests.support.commands import SHOP, Running, environment, run, running
from tests.support.letters import MailServer
from tests.support.reader import OverHttp, Reader
from tests.support.serving import eventually


@dataclass
class Machine:
    """The shop's settings and its data, which outlive its processes, with Stripe and a mail server elsewhere.

    `ended_by` says which signal ended the process that was to die at a point.
    """

    database: Database
    stripe: Control
    mail: MailServer
    settings: Mapping[str, object]
    folder: Path
    url: str
    ended_by: dict[str, int] = field(default_factory=dict)

    def reader(self) -> Reader:
        return Reader(OverHttp(self.url))  # type: ignore[arg-type]

    def started(self, *words: str, **settings: object) -> AbstractContextManager[Running]:
        """`shop WORDS`, killed with SIGKILL at the end of the block."""
        log = self.folder / f"{len(list(self.folder.iterdir()))}.log"
        return running(*words, env=environment(**{**self.settings, **settings}), log=log)

    @contextmanager
    def serving(self) -> Iterator[Running]:
        with self.started("serve") as server:
            server.answers(f"{self.url}/readyz")
            yield server

    @contextmanager
    def dying(self, point: str) -> Iterator[None]:
        """A server whose worker must be killed at `point` by what is asked of it inside the block; then all of it is gone."""
        with self.started("serve", SHOP_DIE_AT=point) as server:
            server.answers(f"{self.url}/readyz")
            (worker,) = set(server.everyone()) - {server.process.pid}
            # Stopped, the main process neither replaces the worker, which no power failure would, nor takes its status away.
            server.process.send_signal(signal.SIGSTOP)
            yield
            self.ended_by[point] = eventually(lambda: _ended_by(worker))

    def dies(self, point: str, *words: str, program: Sequence[str] = SHOP) -> None:
        """Run a command that must be killed at `point`."""
        ended = run(*words, env=environment(**self.settings, SHOP_DIE_AT=point), program=program)
        assert ended.status < 0, ended
        self.ended_by[point] = -ended.status

    def does(self, *words: str, program: Sequence[str] = SHOP) -> None:
        """Run a command that must do its work."""
        ended = run(*words, env=environment(**self.settings), program=program)
        assert ended.status == 0, ended


def _ended_by(pid: int) -> int | None:
    """The signal that ended a process whose parent has not asked about it yet; None while it runs."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return int(after_name[-1]) & 0x7F if after_name[0] == "Z" else None
