"""What comes with the command jobslots: its man page, and completions for shells."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from man_page import man_page
from pytest_xdist_gnumake.executable import EXECUTABLE

TOP = Path(__file__).resolve().parents[2]
COMPLETIONS = TOP / "completions"

COMMANDS = ["doctor", "pool", "run", "status", "timeline", "top"]


def test_the_man_page_says_what_help_says() -> None:
    page = (TOP / "docs" / "jobslots.1").read_text()
    assert page == man_page(str(EXECUTABLE)), "make man"


def test_the_man_page_is_one() -> None:
    if shutil.which("man") is None:
        pytest.skip("there is no man")
    environment = {**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"}
    command = ["man", "--warnings", "-l", str(TOP / "docs" / "jobslots.1")]
    shown = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert shown.stderr == ""
    words = " ".join(re.sub(r".\x08", "", shown.stdout).split())
    assert "jobslots run [-jN | --pool[=POOL]]" in words


def _options(command: str) -> set[str]:
    """The long options of a command, by its help."""
    printed = subprocess.run(
        [EXECUTABLE, command, "--help"], stdout=subprocess.PIPE, text=True, check=True
    ).stdout
    usage, _, text = printed.partition("\n")
    items = "\n".join(re.findall(r"^  (-.*)$", text, re.MULTILINE))
    return {"--help", *re.findall(r"(?<![\w-])--[a-z]+", f"{usage}\n{items}")}


def _printed(*command: str) -> list[str]:
    shown = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    return shown.stdout.splitlines()


def _in_bash(line: str) -> list[str]:
    script = (
        f'. {COMPLETIONS}/jobslots.bash; compopt() {{ :; }}; COMP_WORDS=("$@");'
        " COMP_CWORD=$(($# - 1)); _jobslots; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    # = is a word of its own there.
    words = [word for word in re.split(r" |(=)", line) if word is not None]
    return _printed("bash", "--norc", "-c", script, "bash", *words)


def _in_fish(line: str) -> list[str]:
    script = f"source {COMPLETIONS}/jobslots.fish; complete -C '{line}'"
    return [offer.split("\t")[0] for offer in _printed("fish", "--no-config", "-c", script)]


# Completion is a part of zsh's line editor, which needs a terminal. What is offered is what compadd
# is called with.
IN_ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
say() { zpty -w shell "$1" }
say "fpath=($2 \$fpath); autoload -Uz compinit; compinit -D -u"
say 'compadd() {
  builtin compadd "$@"
  local -a offered
  builtin compadd -O offered "$@"
  print -rl -- "" OFFERED:$^offered
}'
say "bindkey -e; zle-line-init() { print REA''DY }; zle -N zle-line-init"
until [[ $said == *READY* ]]; do zpty -r shell said || exit; done
zpty -n -w shell "$1"$'\t\x15'"print DO''NE"$'\n'
until [[ $said == *DONE* ]]; do zpty -r shell said || exit; print -r -- $said; done
zpty -d shell
"""


def _in_zsh(line: str) -> list[str]:
    shown = _printed("zsh", "-f", "-c", IN_ZSH, "zsh", line, str(COMPLETIONS))
    return [offer[8:] for offer in map(str.strip, shown) if offer.startswith("OFFERED:")]


SHELLS = {"bash": _in_bash, "zsh": _in_zsh, "fish": _in_fish}


@pytest.fixture(params=list(SHELLS))
def offers(request: pytest.FixtureRequest) -> Callable[[str], set[str]]:
    """What a shell offers to go on with."""
    if shutil.which(request.param) is None:
        pytest.skip(f"there is no {request.param}")
    return lambda line: set(SHELLS[request.param](line))


def test_each_command_is_completed(offers: Callable[[str], set[str]]) -> None:
    assert set(COMMANDS) <= offers("jobslots ")
    assert offers("jobslots doc") == {"doctor"}


@pytest.mark.parametrize("command", COMMANDS)
def test_each_option_is_completed(offers: Callable[[str], set[str]], command: str) -> None:
    """Those that the command's help has, no others."""
    options = {re.sub("=.*", "", offer) for offer in offers(f"jobslots {command} --")}
    assert options - {"--"} == _options(command)


def test_values_and_commands_are_completed(offers: Callable[[str], set[str]]) -> None:
    styles = {offer.removeprefix("--style=") for offer in offers("jobslots run --style=")}
    assert styles == {"fifo", "pipe"}
    assert "machine" in offers("jobslots status m")
    for options in ("", "-j3 ", "--style=fifo ", "-- "):
        assert "printenv" in offers(f"jobslots run {options}printen")
    assert not [o for o in offers("jobslots run git status --js") if o.startswith("--js")]
