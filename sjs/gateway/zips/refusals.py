"""Why an archive is refused: a code and a line for each reason."""

from __future__ import annotations

from sjs.errors import Refused

REASONS = {
    # of the whole
    "zip_none": "this is no zip archive",
    "zip_too_large": "the archive is too large",
    "zip_truncated": "the archive is cut off",
    "zip_trailing": "something follows behind the archive",
    "zip_prepended": "something stands before the archive",
    "zip_two_ends": "the archive has several ends, and programs differ in which they believe",
    "zip_disks": "the archive is a part of several",
    "zip_directory": "the list of entries is not what it is said to be",
    "zip_directory_large": "the list of entries is too long",
    "zip_zip64": "what it says in 64 bits is not what it says in 32",
    "zip_entries": "there are too many entries",
    "zip_expanded": "it would be too large when expanded",
    "zip_ratio": "it would be many times larger when expanded, which is what bombs are",
    # of where entries lie
    "zip_overlap": "entries overlap",
    "zip_gap": "between entries is something that belongs to none",
    "zip_header": "an entry does not begin as the list of entries says",
    "zip_descriptor": "an entry does not end as the list of entries says",
    "zip_extra": "an extra field is broken",
    # of what entries are
    "zip_encrypted": "it is encrypted",
    "zip_method": "it is compressed in a way that is not known here; stored and deflated are",
    "zip_link": "it is a link",
    "zip_device": "it is a device, a pipe or a socket",
    "zip_setuid": "it would run as somebody else (setuid, setgid)",
    "zip_kind": "it is said to be a file and a folder",
    "zip_folder_data": "it is a folder with content",
    # of their names
    "zip_name_empty": "it has no name, or there is an empty one, or a dot, in its path",
    "zip_name_utf8": "its name is said to be UTF-8, and is none",
    "zip_name_nul": "its name has a NUL in it",
    "zip_name_control": "its name has control characters in it",
    "zip_name_direction": "its name has marks in it that turn the direction of writing",
    "zip_name_backslash": "its name has a backslash in it",
    "zip_name_absolute": "its name begins at the root",
    "zip_name_drive": "its name begins with a drive",
    "zip_name_escapes": "its name leads out of the folder",
    "zip_name_long": "its name is too long",
    "zip_name_deep": "it lies too deep",
    "zip_duplicate": "there are two of this name",
    "zip_case": "another name differs only in case",
    "zip_file_and_folder": "its name is that of a file, and of a folder",
    # of their content
    "zip_data": "its compressed data are broken",
    "zip_size": "its size is not what it is said to be",
    "zip_crc": "its checksum is wrong",
    "zip_quine": "it is this archive itself",
    # of what is packed
    "pack_entries": "there are too many files",
    "pack_large": "the files are too large together",
    "pack_deep": "the folders are too deep",
}


class BadZip(Refused):
    """An archive that is refused; `code` is a key of REASONS. `about`: the entry, or what it comes to."""

    def __init__(self, code: str, about: str = "") -> None:
        super().__init__(f"{about}: {REASONS[code]}" if about else REASONS[code])
        self.code = code


def shown(name: bytes) -> str:
    """A name as it can be shown in a line, whatever is in it."""
    text = ascii(name.decode("utf-8", "surrogateescape"))[1:-1]
    return text if len(text) <= 80 else f"{text[:77]}..."
