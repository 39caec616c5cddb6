"""Job specs in YAML, which can say more than jobmgr's.

    description: Render a scene
    command: [render, "--frames={frames}", "{scene}.blend"]
    parameters:
      scene: {pattern: "[a-z0-9_]+", max_length: 64}
      frames: {type: int, min: 1, max: 1000, default: 10}
    job: {cpus: 4, mem: 8G, timeout: 10m}
    target: "@farm"
    artifacts: {include: ["*.png"], most_files: 100, most_bytes: 1G}

`{name}` in a word of the command is the value of a parameter, `{{` and `}}` are braces. A word with a place for which
there is no value, because its parameter is not required, is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sjs.core.quantities import size
from sjs.errors import BadRequest, ConfigError
from sjs.gateway.specs import yaml_options, yaml_parameters
from sjs.gateway.specs.commands import check_command, word
from sjs.gateway.specs.spec import ArtifactRules, JobSpec, Parameter, Word
from sjs.nodes import Checks, compose, members, text_of
from sjs.trees.patterns import patterns

if TYPE_CHECKING:
    from yaml import Node

KEYS = ("description", "command", "parameters", "job", "target", "artifacts")
ARTIFACT_KEYS = ("include", "exclude", "most_files", "most_bytes")
MOST_WORDS = 1_000
MOST_FILES = 1_000_000
MOST_LETTERS = 10_000


def read_yaml(text: bytes, path: str, name: str) -> JobSpec:
    """The spec, checked; errors name the line."""
    root = compose(text, path)
    if root is None:
        raise ConfigError(f"{path}: is empty", f"it may have {', '.join(KEYS)}")
    checks = Checks(path)
    found = checks.pairs(root, "", KEYS)
    if "command" not in found:
        raise checks.error(root, "command: there is none", "write it as [program, argument]")
    parameters = yaml_parameters.read(checks, found.get("parameters"))
    return JobSpec(
        name,
        path,
        _command(checks, found["command"], parameters),
        parameters=parameters,
        description=_description(checks, found.get("description")),
        options=yaml_options.read(checks, found.get("job")),
        target=_target(checks, found.get("target")),
        artifacts=_artifacts(checks, found.get("artifacts")),
    )


def _command(checks: Checks, node: Node, parameters: tuple[Parameter, ...]) -> tuple[Word, ...]:
    nodes = members(node)
    if nodes == [node]:
        raise checks.error(node, "command: must be a list of words, [program, argument]", "no shell reads it")
    if not nodes or len(nodes) > MOST_WORDS:
        raise checks.error(node, f"command: must have from 1 to {MOST_WORDS} words")
    words = []
    for one in nodes:
        try:
            words.append(word(yaml_parameters.plain(checks, one, "command"), parameters))
            check_command(tuple(words))
        except ValueError as error:
            raise checks.error(one, f"command: {error}") from None
    return tuple(words)


def _description(checks: Checks, node: Node | None) -> str:
    if node is None:
        return ""
    text = yaml_parameters.plain(checks, node, "description")
    if len(text) > MOST_LETTERS:
        raise checks.error(node, f"description: has more than {MOST_LETTERS} letters")
    return text


def _target(checks: Checks, node: Node | None) -> str | None:
    if node is None:
        return None
    word = checks.text(node, "target")
    if word.startswith("-") or not word.isprintable() or " " in word or len(word) > 500:
        raise checks.error(node, f"target: {word!r:.60} is no word for targets", "as any, gpu*, @farm or any:@farm")
    return word


def _artifacts(checks: Checks, node: Node | None) -> ArtifactRules | None:
    if node is None:
        return None
    found = checks.pairs(node, "artifacts.", ARTIFACT_KEYS)
    most = found.get("most_files")
    return ArtifactRules(
        _patterns(checks, found.get("include"), "artifacts.include"),
        _patterns(checks, found.get("exclude"), "artifacts.exclude"),
        None if most is None else checks.whole(most, "artifacts.most_files", 0, MOST_FILES),
        _bytes(checks, found.get("most_bytes"), "artifacts.most_bytes"),
    )


def _patterns(checks: Checks, node: Node | None, where: str) -> tuple[str, ...]:
    for one in () if node is None else members(node):
        try:
            patterns([checks.text(one, where)])
        except BadRequest as error:
            raise checks.error(one, f"{where}: {error.message}") from None
    return () if node is None else tuple(text_of(one) for one in members(node))


def _bytes(checks: Checks, node: Node | None, where: str) -> int | None:
    if node is None:
        return None
    try:
        return size(yaml_parameters.plain(checks, node, where))
    except ValueError as error:
        raise checks.error(node, f"{where}: {error}") from None
