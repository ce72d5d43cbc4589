"""The Makefile on a machine that lacks something: it fetches that, or says in one line what to install."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.commands import environment

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE)
# A Python that has no venv until somebody installs it; the one that venv makes has a pip, and does what it is asked.
PYTHON = """#!/bin/bash
here=$(dirname "$0")
case "$1 $2" in
  "-c import"*) exit 0 ;;
  "-m venv") test -e "$here/venv-is-installed" && mkdir -p "$3/bin" && cp "$0" "$3/bin/python" || { mkdir -p "$3"; exit 1; } ;;
esac
"""


class Machine:
    """A machine of which we say what is on it."""

    def __init__(self, folder: Path, *, user: int) -> None:
        self.folder = folder / "clone"
        self.tools = folder / "tools"
        self.tools.mkdir()
        (self.folder / "requirements").mkdir(parents=True)
        for name in ("Makefile", "pyproject.toml", "requirements/run.txt", "requirements/dev.txt"):
            shutil.copy(ROOT / name, self.folder / name)
        for name in ("bash", "cp", "dirname", "expand", "grep", "mkdir", "rm", "sed", "touch"):
            (self.tools / name).symlink_to(str(shutil.which(name)))
        self.has("id", f"#!/bin/bash\necho {user}\n")

    def has(self, name: str, script: str) -> None:
        (self.tools / name).write_text(script, encoding="utf-8")
        (self.tools / name).chmod(0o755)

    def make(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(shutil.which("make")), *words],
            cwd=self.folder,
            env=environment(PATH=self.tools),
            capture_output=True,
            text=True,
            check=False,
        )


def lines_of(made: "subprocess.CompletedProcess[str]") -> list[str]:
    """What it said on standard error, without make's own last line."""
    assert made.returncode == 2, made
    return [line for line in made.stderr.splitlines() if not line.startswith("make: ***")]


@pytest.fixture
def visitor(tmp_path: Path) -> Machine:
    """Somebody who is not root, where there is no sudo."""
    return Machine(tmp_path, user=1000)


@pytest.fixture
def root(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path, user=0)
    machine.has(
        "apt-get",
        '#!/bin/bash\necho "$@" >> "$(dirname "$0")/apt"\nfor name in "$@"; do true; done\n'
        'case "$name" in python3-venv) touch "$(dirname "$0")/venv-is-installed" ;; esac\n',
    )
    return machine


def test_help_lists_every_command_with_a_word_about_it(visitor: Machine) -> None:
    told = visitor.make("help")
    assert told.returncode == 0
    for name in ("demo", "dev", "demo-reset", "test", "check", "bench", "format", "lock", "clean"):
        assert re.search(rf"^ +make {name} +\S", told.stdout, re.MULTILINE), name
    assert told.stdout == visitor.make().stdout


def test_no_target_is_taken_for_a_file() -> None:
    phony = {name for line in re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE) for name in line.split()}
    assert phony == set(TARGETS)


def test_ci_runs_what_a_person_runs() -> None:
    commands = [line for line in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    assert commands[-1] == "make test"
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_without_a_python_that_is_new_enough(visitor: Machine) -> None:
    visitor.has("python3", "#!/bin/bash\nexit 1\n")
    assert lines_of(visitor.make("demo")) == ["Understory needs Python 3.11 or newer: install the package python3."]


def test_without_venv_and_without_the_right_to_install_it(visitor: Machine) -> None:
    visitor.has("python3", PYTHON)
    assert lines_of(visitor.make("demo")) == ["Python's venv is missing: install the package python3-venv."]
    assert not (visitor.folder / ".venv").exists()  # half a venv would pass for a whole one the next time


def test_without_venv_root_installs_it(root: Machine) -> None:
    root.has("python3", PYTHON)
    made = root.make(".venv/.ready")
    assert made.returncode == 0, made
    assert "install -y -qq python3-venv" in (root.tools / "apt").read_text(encoding="utf-8")
    assert (root.folder / ".venv" / ".ready").exists()


def test_a_venv_whose_python_is_gone_is_made_anew(root: Machine) -> None:
    root.has("python3", PYTHON)
    assert root.make(".venv/.ready").returncode == 0
    (root.folder / ".venv" / "bin" / "python").unlink()
    assert root.make(".venv/.ready").returncode == 0
    assert (root.folder / ".venv" / "bin" / "python").exists()
    assert "Installing" not in root.make(".venv/.ready").stdout


def test_without_chromium_and_without_the_right_to_install_it(visitor: Machine) -> None:
    visitor.has("python3", PYTHON)
    (visitor.tools / "venv-is-installed").touch()
    made = visitor.make("chromium")
    assert "No Chromium: install the package chromium." in lines_of(made)
