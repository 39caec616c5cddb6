"""Specs in text, as their readers get them."""

from __future__ import annotations

from sjs.gateway.specs.spec import JobSpec
from sjs.gateway.specs.toml_file import read_toml
from sjs.gateway.specs.yaml_file import read_yaml


def toml(text: str) -> JobSpec:
    return read_toml(text.encode("utf-8", "surrogateescape"), "/specs/x.toml", "x")


def yaml(text: str) -> JobSpec:
    return read_yaml(text.encode("utf-8", "surrogateescape"), "/specs/x.yaml", "x")


def one(parameter: str, command: str = 'run, "--a={a}"') -> JobSpec:
    """A spec whose one parameter is `a`."""
    return yaml(f"command: [{command}]\nparameters:\n  a: {parameter}\n")
