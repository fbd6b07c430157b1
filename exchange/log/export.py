"""A copy of a log that a web server can serve as C2SP tlog-tiles; its end in partial tiles."""

from pathlib import Path

from exchange.domain.errors import LogError
from exchange.durable import make_folder
from exchange.log.merkle import HASH_BYTES
from exchange.log.opening import CHECKPOINT
from exchange.log.reader import LogReader
from exchange.log.tiles import HEIGHT, WIDTH, bundle_name, entry, split_bundle, tile_name


def export(reader: LogReader, folder: Path) -> int:
    """Write the copy: checkpoint last, so that what it covers is there; the number of files.

    Args:
        reader: Of the log.
        folder: New or empty.

    Raises:
        LogError: The log cannot be read, or the folder cannot be written or is not empty.
    """
    try:
        if folder.exists() and any(folder.iterdir()):
            raise LogError(f"cannot export to {folder}: it is not empty", "name a new or empty folder")
        make_folder(folder, 0o755)
        count = _bundles(reader, folder) + _tiles(reader, folder)
        _write(folder, CHECKPOINT, reader.checkpoint)
    except OSError as error:
        raise LogError(
            f"cannot export to {folder}: {error.strerror}", "name a folder that you may write"
        ) from error
    return count + 1


def _bundles(reader: LogReader, folder: Path) -> int:
    size = reader.head.size
    for index in range(-(-size // WIDTH)):
        width = min(WIDTH, size - index * WIDTH)
        held = [leaf for leaf, _ in split_bundle(reader.tiles.bundle(index))][:width]
        _write(folder, bundle_name(index, width), b"".join(map(entry, held)))
    return -(-size // WIDTH)


def _tiles(reader: LogReader, folder: Path) -> int:
    count = 0
    for level in range(HEIGHT):
        hashes = reader.head.size >> (HEIGHT * level)
        for index in range(-(-hashes // WIDTH)):
            width = min(WIDTH, hashes - index * WIDTH)
            data = reader.tiles.read(tile_name(level, index), width * HASH_BYTES)
            _write(folder, tile_name(level, index, width), data)
            count += 1
    return count


def _write(folder: Path, name: str, data: bytes) -> None:
    path = folder / name
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.write_bytes(data)  # a copy: after a crash it is made again
