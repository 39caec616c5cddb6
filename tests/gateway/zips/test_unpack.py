"""What others pack is unpacked as it was meant, into a folder of ours, for the owner alone."""

from __future__ import annotations

import io
import os
import shutil
import stat
import struct
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sjs.errors import NoSpace, Refused
from sjs.gateway.zips.limits import Limits
from sjs.gateway.zips.refusals import BadZip
from sjs.gateway.zips.unpacking import Unpacked, unpack
from tests.gateway.zips.archives import Item, build, in_64


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "job"
    made.mkdir()
    return made


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with what people send."""
    top = tmp_path / "source"
    (top / "data" / "deep").mkdir(parents=True)
    (top / "none").mkdir()
    (top / "run.sh").write_text("#!/bin/sh\n")
    (top / "run.sh").chmod(0o755)
    (top / "data" / "deep" / "zeros").write_bytes(bytes(300_000))
    (top / "data" / "gr\u00fc\u00dfe.txt").write_bytes(os.urandom(200_000))
    (top / "empty").touch()
    return top


WAYS = {
    "zip": "zip -qr ../x.zip .",
    "zip of names": "zip -q ../x.zip run.sh empty data/*.txt data/deep/zeros",
    "zip, stored": "zip -qr0 ../x.zip .",
    "zip, always 64 bits": "zip -qr -fz ../x.zip .",
    "zip, descriptors": "zip -qr -fd ../x.zip .",
    "zip, a stream": "zip -qr - . | cat > ../x.zip",
    "zip, commented": "echo said | zip -qrz ../x.zip .",
    "jar": "jar cMf ../x.zip .",
}


@pytest.mark.parametrize("way", WAYS)
def test_what_other_programs_pack(way: str, source: Path, folder: Path, tmp_path: Path) -> None:
    if not shutil.which(WAYS[way].split("|")[-1 if way == "zip, commented" else 0].split()[0]):
        pytest.skip("this program is not installed")
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    subprocess.run(["/bin/sh", "-c", WAYS[way]], cwd=source, check=True, timeout=60, env=environment)
    with open(tmp_path / "x.zip", "rb") as archive:
        told = unpack(archive, folder)
    assert files(folder) == files(source)
    assert (told.files, told.size) == (4, 500_010)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("may_seek", [True, False])
@pytest.mark.parametrize("is_large", [True, False])
def test_what_python_packs(method: int, may_seek: bool, is_large: bool, source: Path, folder: Path) -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = b""

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:  # type: ignore[override]
            self.data += bytes(data)
            return len(data)

    to = io.BytesIO() if may_seek else Pipe()
    with zipfile.ZipFile(to, "w", method) as archive:
        for name, content in files(source).items():
            with archive.open(zipfile.ZipInfo(name), "w", force_zip64=is_large) as file:
                file.write(content)
    unpack(io.BytesIO(to.getvalue() if isinstance(to, io.BytesIO) else to.data), folder)
    assert files(folder) == files(source)


def test_for_the_owner_alone(folder: Path) -> None:
    runs = Item(b"d/run", mode=0o100755), Item(b"d/sgid/", b"", mode=0o042777), Item(b"plain", mode=0o100666)
    assert unpack(io.BytesIO(build(*runs)), folder) == Unpacked(files=2, folders=2, size=8)
    modes = {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}
    assert modes == {"d": 0o700, "d/run": 0o700, "d/sgid": 0o700, "plain": 0o600}


@pytest.mark.parametrize(
    ("item", "name"),
    [
        (Item(b"./run.sh"), "run.sh"),
        (Item(b"././b"), "b"),
        (Item(b"\xe4", mode=0), "\udce4"),
        (Item(b"\x84", central={"system": 0}), "\u00e4"),
        (Item("\u00e4".encode(), flags=1 << 11), "\u00e4"),
        (Item("\u00e4".encode(), central={"system": 0}), "\u00e4"),
        (Item(b"a:b"[1:] + b"c"), ":bc"),
        (Item(b"...".ljust(255, b"x")), "...".ljust(255, "x")),
    ],
)
def test_names(item: Item, name: str, folder: Path) -> None:
    unpack(io.BytesIO(build(item)), folder)
    assert files(folder) == {name: b"text"}


def test_the_folder_itself_may_be_an_entry(folder: Path) -> None:
    archive = build(Item(b"./", b"", mode=0o040755), Item(b"d/", b"", mode=0o040755), Item(b"d/a"))
    assert unpack(io.BytesIO(archive), folder) == Unpacked(files=1, folders=1, size=4)


def test_a_comment_may_be_as_long_as_one_can_be(folder: Path) -> None:
    assert unpack(io.BytesIO(build(Item(), comment=b"x" * 0xFFFF)), folder).files == 1


def test_a_folder_may_be_deflated(folder: Path) -> None:
    assert unpack(io.BytesIO(build(Item(b"d/", b"", method=8, mode=0o040755))), folder).folders == 1


def test_what_is_cut_while_it_is_read_leaves_nothing(folder: Path) -> None:
    class Cut(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            if data == b"first":
                self.truncate(10)
            return data

    with pytest.raises(BadZip, match="cut off"):
        unpack(Cut(build(Item(b"a", b"first"), Item(b"b"))), folder)
    assert list(folder.iterdir()) == []


def test_folders_are_not_looked_for_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entries that lie deep, in two folders by turns: each folder is opened once."""
    deep = [b"/".join([side] * 19) + b"/%d" % number for number in range(50) for side in (b"a", b"b")]
    opened, calls = os.open, []

    def count(*given: Any, **options: Any) -> int:
        calls.append(given[0])
        return opened(*given, **options)

    monkeypatch.setattr(os, "open", count)
    assert unpack(io.BytesIO(build(*(Item(name) for name in deep))), folder).folders == 38
    assert len(calls) == 100 + 38 + 1


def test_no_entry_is_no_mistake(folder: Path) -> None:
    assert unpack(io.BytesIO(build()), folder) == Unpacked(0, 0, 0)


@pytest.mark.parametrize("mark", [b"", b"PK\7\x08"])
@pytest.mark.parametrize("form", ["<III", "<IQQ"])
def test_each_form_of_a_descriptor(mark: bytes, form: str, folder: Path) -> None:
    item = Item(flags=8, local={"crc": 0, "packed": 0, "size": 0})
    true = item.true()
    behind = mark + struct.pack(form, true["crc"], true["packed"], true["size"])
    item = Item(flags=8, local=item.local, behind=behind)
    unpack(io.BytesIO(build(item, Item(b"b"))), folder)
    assert files(folder) == {"a": b"text", "b": b"text"}


def test_all_numbers_may_be_written_in_64_bits_too(folder: Path) -> None:
    item = Item(
        central={"extra": in_64(4, 4, 0)}, local={"size": 0xFFFFFFFF, "packed": 0xFFFFFFFF, "extra": in_64(4, 4)}
    )
    unpack(io.BytesIO(build(item)), folder)
    assert files(folder) == {"a": b"text"}


def test_up_to_each_limit(folder: Path) -> None:
    archive = build(Item(b"a/b/c", b"x" * 50), Item(b"a/b/dddddddd", b""))
    end = len(archive) - 22 - archive.index(b"PK\1\2")
    exact = {"compressed": len(archive), "expanded": 50, "entries": 2, "depth": 3, "name": 8, "path": 12}
    exact["directory"] = end
    unpack(io.BytesIO(archive), folder, Limits(**exact))
    shutil.rmtree(folder / "a")
    for limit in exact:
        with pytest.raises(BadZip):
            unpack(io.BytesIO(archive), folder, Limits(**{**exact, limit: exact[limit] - 1}))
        assert list(folder.iterdir()) == []


def test_small_files_may_be_of_zeros(folder: Path) -> None:
    archive = build(Item(b"zeros", bytes(1 << 20), method=8))
    assert unpack(io.BytesIO(archive), folder).size == 1 << 20
    (folder / "zeros").unlink()
    with pytest.raises(BadZip, match="bombs"):
        unpack(io.BytesIO(archive), folder, Limits(ratio_from=1 << 19))


def test_only_into_an_empty_folder(folder: Path) -> None:
    (folder / "there").touch()
    with pytest.raises(Refused, match="no empty folder of ours"):
        unpack(io.BytesIO(build(Item())), folder)
    assert [path.name for path in folder.iterdir()] == ["there"]


def test_not_through_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(Refused, match="no empty folder of ours"):
        unpack(io.BytesIO(build(Item())), tmp_path / "link")


def test_not_into_nothing(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="No such file"):
        unpack(io.BytesIO(build(Item())), tmp_path / "nowhere")


def test_whoever_plants_a_link_meanwhile_leads_nobody_out(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()

    class Planting(io.BytesIO):
        """Puts a link where a folder is to be, when the first content is read."""

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            if data == b"first":
                (folder / "d").symlink_to(outside)
            return data

    with pytest.raises(Refused, match="no folder, or a link"):
        unpack(Planting(build(Item(b"a", b"first"), Item(b"d/x"))), folder)
    assert list(outside.iterdir()) == list(folder.iterdir()) == []


def test_whoever_plants_a_file_meanwhile_has_it_not_written_to(folder: Path) -> None:
    class Planting(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            if data == b"first":
                (folder / "b").touch()
            return data

    with pytest.raises(Refused, match="File exists"):
        unpack(Planting(build(Item(b"a", b"first"), Item(b"b"))), folder)


def test_a_full_disk_leaves_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def full(fd: int, data: memoryview) -> int:
        if bytes(data) == b"last":
            raise OSError(28, "No space left on device")
        return write(fd, data[:1])  # and disks that take a part of what they are given

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(NoSpace, match="d/b"):
        unpack(io.BytesIO(build(Item(b"d/a"), Item(b"d/b", b"last"))), folder)
    assert list(folder.iterdir()) == []


def test_whatever_ends_it_leaves_nothing(folder: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            if data == b"last":
                raise KeyboardInterrupt
            return data

    with pytest.raises(KeyboardInterrupt):
        unpack(Broken(build(Item(b"d/a"), Item(b"d/b", b"last"))), folder)
    assert list(folder.iterdir()) == []
