"""Nothing in a value is ever run: shells are asked, with templates that nobody would write.

SJS_TEMPLATE_ROUNDS=50 scripts/test making -- -k injection
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sjs.errors import UsageError
from sjs.making.template import shell_template

ROUNDS = int(os.environ.get("SJS_TEMPLATE_ROUNDS", "1"))

ARMED = "echo ran >&9"
VALUES = [
    *(f"$({ARMED})", f"`{ARMED}`", f";{ARMED};", f"\n{ARMED}\n", f"' ; {ARMED} ; '", f'" ; {ARMED} ; "'),
    *(f"'; {ARMED} #", f'"; {ARMED} #', f"\\'; {ARMED} #", f") ; {ARMED} ; (", f"}}; {ARMED} #", f"'`{ARMED}`'"),
    *(
        f"\nE\n{ARMED}\n",
        f'"$({ARMED})"',
        f"'$({ARMED})'",
        f";; esac; {ARMED} #",
        f"| {ARMED}",
        f"\\$({ARMED})",
        f"&& {ARMED}",
    ),
    *(f"a[$({ARMED})]", f"))\n{ARMED} #", f"`{ARMED}", f"$({ARMED}", f"\\\n{ARMED}\n", "\\"),
]
PIECES = [
    *(
        "'",
        '"',
        "\\",
        "$(",
        ")",
        "`",
        "${y:-",
        "${#",
        "}",
        "$((",
        "))",
        "(",
        "#",
        " ",
        "\n",
        "<<E\n",
        "<<'E'\n",
        "\nE\n",
    ),
    *(
        "case a in a) ",
        ";;",
        "esac",
        "a",
        "$'",
        ";",
        "|",
        "&&",
        "<<<",
        "<",
        "=",
        "$",
        "{ ",
        "[",
        "echo ",
        "y=",
        "!",
        "\t",
    ),
    *("((", "[[ ", " ]]", "]", "]=", "y[", " -eq ", "\\\n", " \\\n", "{v} -eq 1 ]]", "))", "$$"),
    *("{v}", "{v}", "{v}", "{v/}", "{%}"),
]
TEMPLATES = st.lists(st.sampled_from(PIECES), min_size=1, max_size=12).map("".join).filter(lambda text: "{v" in text)


def what_ran(shell: str, texts: list[str], folder: Path) -> str:
    """What an armed value has written, when each text is run by itself."""
    told = folder / "told"
    script = 'exec 9>"$1"; shift; for text; do (eval "$text"); done'
    command = [shell, "-c", script, "sh", str(told), *texts]
    environ = {"PATH": "/nonexistent", "HOME": "/nonexistent"}
    subprocess.run(
        command, cwd=folder, env=environ, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
    )
    return told.read_text()


@pytest.mark.parametrize("turn", range(ROUNDS))
@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(templates=st.lists(TEMPLATES, min_size=1, max_size=8))
def test_a_template_is_refused_or_its_values_are_only_values(
    tmp_path_factory: pytest.TempPathFactory, shell: str, turn: int, templates: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("run")
    texts: list[str] = []
    for template in templates:
        try:
            render = shell_template(template, ["v"]).text
        except UsageError:
            continue
        assert render is not None
        texts += [render([value], 1) for value in VALUES]
    assert what_ran(shell, texts, folder) == "", texts


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
def test_the_shells_would_have_told(tmp_path: Path, shell: str) -> None:
    assert what_ran(shell, ["'", f"a '{VALUES[4]}'"], tmp_path) == "ran\n"
