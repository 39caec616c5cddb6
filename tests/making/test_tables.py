from __future__ import annotations

from pathlib import Path

import pytest

from sjs.errors import UsageError
from sjs.making.tables import lines, table


def of(folder: Path, name: str, data: str | bytes) -> str:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return str(path)


def twice(path: str) -> tuple[str, str]:
    """It is called as it lies."""
    return path, path


ROWS = [("0.10", "a b"), ("1e-3", 'q"q')]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("t.csv", 'lr,name\n0.10,a b\n\n1e-3,"q""q"\n'),
        ("t.csv", '\ufefflr,name\r\n0.10,a b\r\n1e-3,"q""q"\r\n'),
        ("t.TSV", 'lr\tname\n0.10\ta b\n1e-3\t"q""q"'),
        ("t.jsonl", '{"lr": 0.10, "name": "a b"}\n\n{"name": "q\\"q", "lr": 1e-3}\n'),
        ("t.ndjson", '{"lr": "0.10", "name": "a b"}\n{"name": "q\\"q", "lr": "1e-3"}'),
        ("t.yaml", "- lr: 0.10\n  name: a b\n- {name: 'q\"q', lr: 1e-3}\n"),
        ("t.yml", '# first\n---\n- {lr: 0.10, name: a b}\n- {lr: 1e-3, name: q"q}\n...\n'),
    ],
)
def test_rows_are_texts_as_they_stand_there(tmp_path: Path, name: str, data: str) -> None:
    found = table(*twice(of(tmp_path, name, data)))
    assert (tuple(found.names), list(found), list(found), found.count) == (("lr", "name"), ROWS, ROWS, 2)


def test_json_that_is_no_text_is_written_as_json(tmp_path: Path) -> None:
    path = of(tmp_path, "t.jsonl", '{"a": null, "b": true, "c": [1, 0.50, "x"], "d": {"é": 1}, "e": NaN}')
    assert list(table(path, path)) == [("", "true", '[1,0.5,"x"]', '{"é":1}', "NaN")]


def test_bytes_that_are_no_text_stay_what_they_are(tmp_path: Path) -> None:
    assert list(table(*twice(of(tmp_path, "t.csv", b"a\n\xff\n")))) == [("\udcff",)]
    assert list(lines(*twice(of(tmp_path, "t", b"\xff \n\nb\r\n")))) == [("\udcff ",), ("",), ("b",)]


def test_stdin_is_what_it_looks_like(tmp_path: Path) -> None:
    assert table(of(tmp_path, "1", '{"a": 1}'), "stdin").names == ("a",)
    assert table(of(tmp_path, "2", "a,b\n1,2"), "stdin").names == ("a", "b")


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("t.txt", "a\n1", "is no table"),
        ("t.csv", "a,b\n1,2\n3\n", "t.csv:3: has 1 fields, and the first line 2"),
        ("t.csv", 'a\n"x"y\n', "t.csv:2: "),
        ("t.csv", "a\n", "there are no rows in it"),
        ("t.csv", "", "there are no rows in it"),
        ("t.csv", "a,a\n1,2\n", "each column needs a name of its own, not 'a'"),
        ("t.csv", "a,\n1,2\n", "each column needs a name of its own, not ''"),
        ("t.jsonl", '{"a": 1}\n{"a": }', "t.jsonl:2: is no JSON"),
        ("t.jsonl", '{"a": 1}\n[1]', "t.jsonl:2: is no JSON object"),
        ("t.jsonl", '{"a": 1}\n\n{"b": 1}', "t.jsonl:3: "),
        ("t.yaml", "a: 1\n", "t.yaml:1: a table is a list of rows"),
        ("t.yaml", "- a: 1\n- b\n", "t.yaml:2: a table is a list of rows"),
        ("t.yaml", "- a: 1\n- a: [1]\n", "t.yaml:2: a table is a list of rows"),
        ("t.yaml", "- a: 1\n- a: 1\n  b: 1\n", "t.yaml:2: 'b' is not in each row"),
        ("t.yaml", "- a: 'x\n", "t.yaml:"),
        ("t.yaml", "- a: \x01\n", "is no YAML"),
        ("t.yaml", "", "t.yaml:1: a table is a list of rows"),
    ],
)
def test_what_is_no_table_is_told_with_its_line_before_anything_is_made_of_it(
    tmp_path: Path, name: str, data: str, what: str
) -> None:
    with pytest.raises(UsageError) as error:
        table(*twice(of(tmp_path, name, data)))
    assert what in error.value.message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        lines(*twice(str(tmp_path / "no")))


def test_a_table_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    names = ("1.csv", "2.csv", "3.csv")
    one, two, three = (table(*twice(of(tmp_path, name, f"a\n{name == '3.csv'}\n"))) for name in names)
    assert list(one.said()) == list(two.said()) != list(three.said())
