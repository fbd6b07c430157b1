"""Layer S: games with the bundle's container."""

from collections.abc import Callable

from tests.vectors.mutants import NAMED, Bench, Make, add
from tests.vectors.world import Files
from tests.vectors.zips import Entry, archive, zipped

PAYLOAD = "receipt.json"


def _entries(files: Files) -> list[Entry]:
    return [Entry(name, data) for name, data in files.items()]


def _with(bench: Bench, **changes: object) -> bytes:
    """The payload's entry with other headers."""
    rest = [entry for entry in _entries(bench.first) if entry.name != PAYLOAD]
    return archive([Entry(PAYLOAD, bench.first[PAYLOAD], **changes), *rest])  # type: ignore[arg-type]


def _forged(bench: Bench) -> bytes:
    return bench.first[PAYLOAD].replace(b'"removed":31', b'"removed":99')


def _bundled(make: Callable[[Bench], bytes], *codes: str) -> Make:
    return lambda bench, _: bench.case("S", *codes, bundle=make(bench))


_TABLE: list[tuple[str, tuple[str, ...], Callable[[Bench], bytes]]] = [
    (
        "a name twice, the second forged",
        ("bundle-damaged",),
        lambda b: archive([*_entries(b.first), Entry(PAYLOAD, _forged(b))]),
    ),
    (
        "a name twice, the first forged",
        ("bundle-damaged",),
        lambda b: archive([Entry(PAYLOAD, _forged(b)), *_entries(b.first)]),
    ),
    (
        "a name twice, both the same",
        ("bundle-damaged",),
        lambda b: archive([*_entries(b.first), Entry(PAYLOAD, b.first[PAYLOAD])]),
    ),
    ("a compressed entry", ("bundle-damaged",), lambda b: _with(b, deflated=True)),
    ("an encrypted entry", ("bundle-damaged",), lambda b: _with(b, flags=1)),
    ("a wrong checksum", ("bundle-damaged",), lambda b: _with(b, crc=1)),
    ("another name in the local header", ("bundle-damaged",), lambda b: _with(b, local_name="receipt.jsom")),
    ("cut in the directory", ("bundle-damaged",), lambda b: zipped(b.first)[:-30]),
    ("cut in the middle", ("bundle-damaged",), lambda b: zipped(b.first)[:2000]),
    ("only a magic", ("bundle-damaged",), lambda _: b"PK\3\4"),
    ("no zip", ("bundle-unreadable",), lambda _: b"this is no zip"),
    ("nothing", ("bundle-unreadable",), lambda _: b""),
    ("seventy entries", ("too-large",), lambda b: zipped({**b.first, **{f"x{n}": b"" for n in range(70)}})),
    (
        "an entry that is too large",
        ("too-large",),
        lambda b: zipped({**b.first, "chain.pem": bytes(1 << 19)}),
    ),
    (
        "parts in a folder of the zip",
        ("bundle-incomplete",),
        lambda b: zipped({f"receipt/{name}": data for name, data in b.first.items()}),
    ),
    (
        "names in capitals",
        ("bundle-incomplete",),
        lambda b: zipped({name.upper(): data for name, data in b.first.items()}),
    ),
]

for _name, _codes, _make in _TABLE:
    add(NAMED, f"zip: {_name}", _bundled(_make, *_codes))
