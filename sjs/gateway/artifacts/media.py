"""What an artifact is, by its name, and how a browser is told to treat it. Pure."""

from __future__ import annotations

from urllib.parse import quote

ANYTHING = "application/octet-stream"

JOBMGR_TYPES = {
    "pdf": "application/pdf",
    "zip": "application/zip",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "oga": "audio/ogg",
    "wav": "audio/wav",
    "gif": "image/gif",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "csv": "text/csv",
    "txt": "text/plain",
    "mp4": "video/mp4",
    "ogv": "video/ogg",
    "webm": "video/webm",
}
"""All that jobmgr knows. It says `image/webm` of webp, which is no type: no browser shows such a picture, so nobody can
need that, and here it is right."""

TYPES = {
    **JOBMGR_TYPES,
    "7z": "application/x-7z-compressed",
    "aac": "audio/aac",
    "apng": "image/apng",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "bz2": "application/x-bzip2",
    "css": "text/css",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "eps": "application/postscript",
    "flac": "audio/flac",
    "glb": "model/gltf-binary",
    "gz": "application/gzip",
    "h5": "application/x-hdf5",
    "hdf5": "application/x-hdf5",
    "heic": "image/heic",
    "htm": "text/html",
    "html": "text/html",
    "ico": "image/vnd.microsoft.icon",
    "ipynb": "application/x-ipynb+json",
    "jpe": "image/jpeg",
    "js": "text/javascript",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "log": "text/plain",
    "m4a": "audio/mp4",
    "m4v": "video/mp4",
    "md": "text/markdown",
    "mjs": "text/javascript",
    "mkv": "video/matroska",
    "mov": "video/quicktime",
    "mpeg": "video/mpeg",
    "mpg": "video/mpeg",
    "ndjson": "application/x-ndjson",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "opus": "audio/ogg",
    "parquet": "application/vnd.apache.parquet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "ps": "application/postscript",
    "py": "text/x-python",
    "rst": "text/x-rst",
    "rtf": "application/rtf",
    "sqlite": "application/vnd.sqlite3",
    "svg": "image/svg+xml",
    "tar": "application/x-tar",
    "tex": "text/x-tex",
    "tgz": "application/gzip",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "toml": "application/toml",
    "tsv": "text/tab-separated-values",
    "wasm": "application/wasm",
    "weba": "audio/webm",
    "xhtml": "application/xhtml+xml",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xml": "application/xml",
    "xz": "application/x-xz",
    "yaml": "application/yaml",
    "yml": "application/yaml",
    "zst": "application/zstd",
}
"""Written here and not taken from the machine, so that every gateway says the same."""

_SHOWN = {"application/pdf", "text/plain", "text/csv", "text/tab-separated-values", "text/markdown"}
_PICTURES = {"apng", "avif", "bmp", "gif", "heic", "jpeg", "png", "tiff", "vnd.microsoft.icon", "webp"}
"""Of pictures, those in which nothing can run."""

_FOR_JOBMGR = str.maketrans(dict.fromkeys(",&!?/\\@:%", "-"))

MAX_FILENAME = 180
"""Letters of a name in a header: proxies take a line of 8 KiB, and one letter may need twelve."""


def mime_of(name: str) -> str:
    """The type of what is called so."""
    return TYPES.get(_extension(name), ANYTHING)


def jobmgr_mime_of(name: str) -> str:
    """The type that jobmgr gives it."""
    return JOBMGR_TYPES.get(_extension(name), ANYTHING)


def content_type(mime: str) -> str:
    """The type as it stands in a header: of text, how its letters are written is said, too."""
    return f"{mime}; charset=utf-8" if mime.startswith("text/") else mime


def is_shown(mime: str) -> bool:
    """Whether a browser may show it in its place; what it could run there, it is to save."""
    kind, _, rest = mime.partition(";")[0].strip().lower().partition("/")
    return kind in ("audio", "video") or f"{kind}/{rest}" in _SHOWN or (kind == "image" and rest in _PICTURES)


def disposition(name: str, mime: str) -> str:
    """The Content-Disposition for what is called so (RFC 6266, RFC 8187), whatever is in the name."""
    return _header("inline" if is_shown(mime) else "attachment", _file_name(name.replace("\\", "/").split("/")[-1]))


def jobmgr_disposition(name: str) -> str:
    """What jobmgr says: always inline, which its types allow, and the whole path as one name. Where a letter cannot
    stand in a header, there is more than its one form."""
    return _header("inline", _file_name(name.translate(_FOR_JOBMGR).strip()))


def _extension(name: str) -> str:
    _, dot, extension = name.rpartition("/")[2].rpartition(".")
    return extension.lower() if dot else ""


def _file_name(name: str) -> str:
    """A name without what is no letter; the end of one that is too long, where it says what it is."""
    letters = "".join(letter for letter in name if letter.isprintable()).strip()
    return letters[-MAX_FILENAME:] if letters.strip(".") else "artifact"


def _header(how: str, name: str) -> str:
    plain = name.encode("ascii", "replace").decode("ascii")
    quoted = plain.replace("\\", "\\\\").replace('"', '\\"')
    simple = f'{how}; filename="{quoted}"'
    return simple if plain == name else f"{simple}; filename*=UTF-8''{quote(name, safe='')}"
