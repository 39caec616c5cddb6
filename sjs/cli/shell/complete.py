"""Shell completion: the scripts for bash, zsh and fish, and what they ask. A script hands over the line up to the
cursor and gets a candidate a line; `:file` and `:dir` stand for what the shell itself knows."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

from sjs.cli.shell.candidates import DIR, FILE, Item, candidates

BASH = """\
_%(name)s_complete() {
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            :file) compopt -o default ;;
            :dir) compopt -o dirnames ;;
            *) COMPREPLY+=("$line") ;;
        esac
    done < <(COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
        _SUBMIT_COMPLETE=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F _%(name)s_complete %(name)s
"""

ZSH = """\
#compdef %(name)s
_%(name)s_complete() {
    local line
    local -a found
    while IFS= read -r line; do
        case $line in
            :file) compset -P '--*='; _files ;;
            :dir) compset -P '--*='; _files -/ ;;
            *) found+=("$line") ;;
        esac
    done < <(COMP_LINE="${(j: :)words[1,CURRENT-1]} $PREFIX" _SUBMIT_COMPLETE=zsh_complete "${(Q)words[1]}" 2>/dev/null)
    (( $#found )) && _describe -V %(name)s found
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _%(name)s_complete "$@"
else
    compdef _%(name)s_complete %(name)s
fi
"""

FISH = """\
function _%(name)s_complete
    set -l program (commandline -opc)[1]
    for line in (env COMP_LINE=(commandline -cp | string collect) _SUBMIT_COMPLETE=fish_complete $program 2>/dev/null)
        switch $line
            case ':file' ':dir'
                set -l option (string match -r '^--[^=]*=' -- (commandline -ct))
                set -l typed (string replace -r '^--[^=]*=' '' -- (commandline -ct))
                set -l complete (test $line = :dir; and echo __fish_complete_directories; or echo __fish_complete_path)
                $complete "$typed" | string replace -r '^' -- "$option"
            case '*'
                printf '%%s\\n' $line
        end
    end
end
complete --command %(name)s --no-files --keep-order --arguments '(_%(name)s_complete)'
"""

SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def complete(prog: str, instruction: str) -> int:
    """Answer a shell that asks for its script or for words."""
    shell, _, what = instruction.partition("_")
    if shell not in SCRIPTS or what not in ("source", "complete"):
        return 1
    if what == "source":
        sys.stdout.write(SCRIPTS[shell] % {"name": prog})
        return 0
    *words, last = split(os.environ["COMP_LINE"])
    breaks = os.environ.get("COMP_WORDBREAKS", "") if shell == "bash" else ""
    sys.stdout.writelines(f"{line}\n" for line in shown(shell, candidates(words[1:], last), last, breaks))
    return 0


def split(line: str) -> list[str]:
    """The words of a line up to the cursor, where quotes may be open; the last is the one that is being typed."""
    from click.shell_completion import split_arg_string

    words = split_arg_string(line)
    return [*words, ""] if not words or line[-1:].isspace() else words


def shown(shell: str, items: Iterable[Item], last: str, breaks: str) -> Iterable[str]:
    """The candidates as the shell wants them. bash replaces only what follows the last of its `breaks`, or what begins
    with it, if that is @."""
    kept = max((place + (sign != "@") for place, sign in enumerate(last) if sign in breaks), default=0)
    for item in items:
        if item.value in (FILE, DIR):
            yield item.value
        elif shell == "zsh":
            value = item.value.replace(":", r"\:")
            yield f"{value}:{item.about}" if item.about else value
        elif shell == "fish":
            yield f"{item.value}\t{item.about}" if item.about else item.value
        else:
            yield item.value[kept:]
