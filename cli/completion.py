"""Completion for bash, zsh and fish, made from the pages of the manual.

The shell `crm` is asked for its words as they are typed, for at most two seconds, so that a hung
cluster cannot hang a terminal; all other commands complete their options.
Facts: cli.md section 10.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from cli.manual import COMMANDS, Page, page

_BASH = """\
# Completion of Pacekeeper's commands for bash; made by cli.manual.
_pacekeeper_crm() {
    local IFS=$'\\n'
    COMPREPLY=($(timeout 2 crm _complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -F _pacekeeper_crm crm
"""

_ZSH = """\
#compdef {names}
# Completion of Pacekeeper's commands for zsh; made by cli.manual.
_pacekeeper_crm() {{
    local -a found
    found=(${{(f)"$(timeout 2 crm _complete "${{(@)words[2,CURRENT]}}" 2>/dev/null)"}})
    compadd -a found
}}
_pacekeeper() {{
    local -a flags
    case $service in
    crm) _pacekeeper_crm; return ;;
{cases}    esac
    if [[ $words[CURRENT] == -* ]]; then compadd -a flags; else _files; fi
}}
_pacekeeper "$@"
"""

_FISH = """\
# Completion of Pacekeeper's commands for fish; made by cli.manual.
function __pacekeeper_crm
    set -l words (commandline -opc)
    timeout 2 crm _complete $words[2..-1] (commandline -ct) 2>/dev/null
end
complete -c crm -f -a '(__pacekeeper_crm)'
"""


def _others() -> Iterator[Page]:
    for name in COMMANDS:
        if name != "crm":
            yield page(name)


def bash() -> str:
    """The file for bash."""
    parts = [_BASH]
    for this in _others():
        words = " ".join(sorted(this.flags))
        parts.append(f"complete -o default -W {shlex.quote(words)} {this.name}\n")
    return "".join(parts)


def zsh() -> str:
    """The file for zsh, to be found as `_pacekeeper` in its function path."""
    cases = "".join(f"    {t.name}) flags=({' '.join(sorted(t.flags))}) ;;\n" for t in _others())
    return _ZSH.format(names=" ".join(COMMANDS), cases=cases)


def fish() -> str:
    """The file for fish, each option with its meaning."""
    parts = [_FISH]
    for this in _others():
        rows = [row for _, group in this.options for row in group]
        parts += [_fish_option(this.name, shown, meaning) for shown, meaning in rows]
    return "".join(parts)


def _fish_option(name: str, shown: str, meaning: str) -> str:
    """One option from the form that the manual shows: `-x, --name=VALUE`, `--name [VALUE]`."""
    words = ["complete", "-c", name]
    takes = False
    for part in shown.split(", "):
        option, value = _split(part)
        takes = takes or value
        if option.startswith("--"):
            words += ["-l", option[2:]]
        elif len(option) == 2:
            words += ["-s", option[1:]]
    words += ["-r"] if takes else []
    return shlex.join([*words, "-d", _first_sentence(meaning)]) + "\n"


def _split(part: str) -> tuple[str, bool]:
    """The bare option, and whether a value must follow."""
    for mark in ("[=", "=", " "):
        option, found, _ = part.partition(mark)
        if found:
            return option, mark != "[="
    return part, False


def _first_sentence(meaning: str, longest: int = 70) -> str:
    text: Sequence[str] = meaning.split("; ")
    return text[0] if len(text[0]) <= longest else text[0][: longest - 3] + "..."
