"""The man page jobslots(1), from what ``jobslots --help`` and its commands' ``--help`` print.

Usage: python tools/man_page.py JOBSLOTS >docs/jobslots.1
"""

from __future__ import annotations

import re
import subprocess
import sys

# In the commands' texts: an option with what it does, and an example or a continuation.
_ITEM = re.compile(r"  (\S(?:.*?\S)?)  +(\S.*)")
_OPTION = re.compile(r"(?<![\w-])(--?\w[\w-]*)")
_PLACEHOLDER = re.compile(r"\b([A-Z]{2,}|N)\b(?!\w)")


def _printed(executable: str, *arguments: str) -> str:
    command = [executable, *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def _escaped(text: str) -> str:
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{text}" if text.startswith((".", "'")) else text


def _tag(text: str) -> str:
    """Options bold, what they stand before italic."""
    text = _PLACEHOLDER.sub(r"\\fI\1\\fP", _OPTION.sub(r"\\fB\1\\fP", text))
    return text.replace("-", r"\-")


def _body(text: str) -> list[str]:
    """The lines of a page for a command's help: paragraphs, options, and examples."""
    lines = [".PP"]
    in_item = False
    for line in text.splitlines():
        item = _ITEM.fullmatch(line)
        if not line:
            in_item = False
            lines.append(".PP")
        elif item:
            in_item = True
            lines += [".TP", _tag(item[1]), _escaped(item[2])]
        elif line.startswith("  ") and not in_item:
            lines += [".EX", ".in +4n", _escaped(line.strip()), ".in", ".EE"]
        else:
            lines.append(_escaped(line.strip()))
    # A request that says what the next one says too is not needed.
    return [
        line
        for line, after in zip(lines, [*lines[1:], ".PP"], strict=True)
        if line != ".PP" or after not in (".PP", ".TP")
    ]


def man_page(executable: str) -> str:
    """The whole page."""
    version = _printed(executable, "--version").strip()
    usage, purpose, commands = _printed(executable, "--help").strip().split("\n\n")
    lines = [
        r".\" Made by tools/man_page.py from what jobslots --help prints.",
        f'.TH JOBSLOTS 1 "" "{version}" "User Commands"',
        ".SH NAME",
        r"jobslots \- job slots of GNU make for test runners, and a pool of them for a machine",
        ".SH SYNOPSIS",
        _tag(usage.removeprefix("usage: ")),
        ".SH DESCRIPTION",
        _escaped(purpose),
        ".SH COMMANDS",
    ]
    for name, summary in re.findall(r"^  (\w+) +(.*)$", commands, re.MULTILINE):
        synopsis, _, text = _printed(executable, name, "--help").partition("\n")
        lines += [f".SS {name}: {_escaped(summary)}", _tag(synopsis.removeprefix("usage: "))]
        lines += _body(text.strip("\n"))
    lines += [
        ".SH SEE ALSO",
        r".BR make (1),",
        r".BR pytest (1)",
        ".PP",
        "The documentation of pytest\\-xdist\\-gnumake.",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(man_page(sys.argv[1]))
