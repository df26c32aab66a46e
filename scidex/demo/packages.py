"""The Python packages that are installed here, cut into parts that one task can read."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MOST_FILES_OF_A_PART = 200


@dataclass(frozen=True)
class Part:
    """Some source files of one package: what one task reads."""

    package: str
    number: int
    files: tuple[Path, ...]
    source_bytes: int

    @property
    def name(self) -> str:
        """The package, and which part of it."""
        return f"{self.package}-{self.number}"


def installed_packages() -> Path:
    """Return the directory where this environment's packages are installed."""
    return Path(sysconfig.get_path("purelib"))


def parts_of(place: Path, *, part_bytes: int = 150_000, most_packages: int = 40, most_parts: int = 6) -> list[Part]:
    """
    Return the parts of the packages that lie in `place`, the parts of one package in a row.

    A file larger than a part is left out, and so is what goes past the limits: of each package the first parts, and
    the first packages by name.
    """
    parts: list[Part] = []
    packages = 0
    for package in _packages(place):
        own = list(_parts(package, part_bytes))[:most_parts]
        if own and packages < most_packages:
            packages += 1
            parts += own
    return parts


def _packages(place: Path) -> Iterator[Path]:
    for path in sorted(place.iterdir()):
        if path.is_dir() and path.name.isidentifier() and not path.name.startswith("_"):
            yield path


def _parts(package: Path, part_bytes: int) -> Iterator[Part]:
    files: list[Path] = []
    size = number = 0
    for file in sorted(package.rglob("*.py")):
        file_bytes = file.stat().st_size
        if not 0 < file_bytes <= part_bytes or not file.is_file():
            continue
        if size + file_bytes > part_bytes or len(files) == _MOST_FILES_OF_A_PART:
            number += 1
            yield Part(package.name, number, tuple(files), size)
            files, size = [], 0
        files.append(file)
        size += file_bytes
    if files:
        yield Part(package.name, number + 1, tuple(files), size)
