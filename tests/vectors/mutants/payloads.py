"""Layer S: payloads that a real key signed and that are no receipts all the same."""

import json
from collections.abc import Callable
from typing import Any

from tests.hostile.chance import Chance
from tests.vectors.mutants import NAMED, Bench, Make, add
from tests.vectors.statements import canonical
from tests.vectors.world import Case

_REMOVED = b'"removed":31'
_TEXT: list[tuple[str, bytes, bytes, str]] = [
    ("a float", _REMOVED, b'"removed":31.0', "json"),
    ("an exponent", _REMOVED, b'"removed":31e0', "json"),
    ("NaN", _REMOVED, b'"removed":NaN', "json"),
    ("Infinity", _REMOVED, b'"removed":Infinity', "json"),
    ("true", _REMOVED, b'"removed":true', "json"),
    ("null", _REMOVED, b'"removed":null', "json"),
    ("minus zero", _REMOVED, b'"removed":-0', "json"),
    ("a leading zero", _REMOVED, b'"removed":031', "json"),
    ("a leading plus", _REMOVED, b'"removed":+31', "json"),
    ("2^53", _REMOVED, b'"removed":9007199254740992', "json"),
    ("a huge integer", _REMOVED, b'"removed":' + b"9" * 5000, "json"),
    ("a duplicate key", _REMOVED, b'"removed":31,"removed":31', "json"),
    ("a duplicate key that is escaped", _REMOVED, b'"remove\\u0064":32,"removed":31', "json"),
    ("a space", _REMOVED, b'"removed": 31', "not-canonical"),
    ("a trailing comma", _REMOVED, b'"removed":31,', "json"),
    ("unsorted keys", b'"removed":31,"replaced":9', b'"replaced":9,"removed":31', "not-canonical"),
    ("a needless escape", b'"edge-01"', b'"\\u0065dge-01"', "not-canonical"),
    ("an escaped slash", b"https://in-toto.io", b"https:\\/\\/in-toto.io", "not-canonical"),
    ("a control character", b'"edge-01"', b'"edge-01\x01"', "json"),
    ("an unpaired surrogate", b'"edge-01"', b'"\\ud800"', "json"),
    ("a wrong escape", b'"edge-01"', b'"\\x65dge-01"', "json"),
    ("bytes that are no UTF-8", b'"edge-01"', b'"edge-\xff"', "json"),
    ("overlong UTF-8", b'"edge-01"', b'"edge\xc0\xad01"', "json"),
    ("another predicate type", b"exchange-receipt:v1", b"exchange-receipt:v2", "statement"),
    ("another statement type", b"Statement/v1", b"Statement/v2", "statement"),
    ("a digest of another scope", b"dicom-dataset-after-file-meta", b"dicom-whole-file", "statement"),
    ("an unknown stage", b'"stage":"deidentified"', b'"stage":"anonymous"', "statement"),
    ("an R2 that follows nothing", b'"stage":"deidentified"', b'"stage":"forwarded"', "statement"),
    ("an unknown edition", b'"edition":"partner"', b'"edition":"public"', "statement"),
    ("an edition that is a number", b'"edition":"partner"', b'"edition":1', "statement"),
    ("an unknown direction", b'"direction":"outbound"', b'"direction":"up"', "statement"),
    ("a month thirteen", b'"issuedAt":"2026-05', b'"issuedAt":"2026-13', "statement"),
    ("a short link", b'"previous":""', b'"previous":"abc"', "statement"),
    ("a link in capitals", b'"previous":""', b'"previous":"' + b"A" * 64 + b'"', "statement"),
    ("a subject twice", b'"name":"2.25.1001"', b'"name":"2.25.1000"', "statement"),
    ("a subject that is a path", b'"name":"2.25.1001"', b'"name":"../../x"', "statement"),
    ("subjects out of order", b'"name":"2.25.1001"', b'"name":"2.25.1009"', "statement"),
    ("no agent", b'"agent":{', b'"agenu":{', "statement"),
    ("no study", b'"study":{', b'"studz":{', "statement"),
    ("a newline behind", b"}]}", b"}]}\n", "not-canonical"),
    ("something behind", b"}]}", b"}]}{}", "json"),
    ("a digest in capitals", b'"digest":{"sha256":"', b'"digest":{"sha256":"A', "statement"),
]


def _edited(old: bytes, new: bytes, code: str) -> Make:
    return lambda bench, _: bench.resigned(_replaced(bench, old, new), "S", code)


def _replaced(bench: Bench, old: bytes, new: bytes) -> bytes:
    payload = bench.first["receipt.json"]
    at = payload.rfind(old) if old == b"}]}" else payload.find(old)
    assert at >= 0, old
    return payload[:at] + new + payload[at + len(old) :]


for _name, _old, _new, _code in _TEXT:
    add(NAMED, f"really signed: {_name}", _edited(_old, _new, _code))


def _whole(payload: bytes) -> Make:
    return lambda bench, _: bench.resigned(payload, "S", "json", "statement")


_BYTES: list[tuple[str, bytes]] = [
    ("nothing", b""),
    ("a list", b"[]"),
    ("no UTF-8", b"\xff"),
    ("a byte order mark", b"\xef\xbb\xbf{}"),
    ("an empty object", b"{}"),
    ("a text", b'"x"'),
    ("brackets without end", b"[" * 5000),
    ("nested too deeply", b'{"a":' * 3000 + b"1" + b"}" * 3000),
]
for _name, _data in _BYTES:
    add(NAMED, f"really signed: {_name}", _whole(_data))

Change = Callable[[dict[str, Any]], object]
_SHAPES: list[tuple[str, int, Change]] = [
    ("a subject that is no object", 0, lambda d: d.update(subject=[1])),
    ("subjects that are no list", 0, lambda d: d.update(subject={})),
    ("a predicate that is no object", 0, lambda d: d.update(predicate="x")),
    ("an R1 of no instance", 0, lambda d: d.update(subject=[])),
    ("a receipt id that is no UUIDv7", 0, lambda d: d["predicate"]["id"].update(receiptId="1")),
    (
        "an R1 that lists deliveries",
        0,
        lambda d: d["predicate"]["id"].update(
            previous="0" * 64, deliveries=[{"stage": "forwarded", "paeSha256": "0" * 64}]
        ),
    ),
    ("deliveries that are no list", 3, lambda d: d["predicate"]["id"].update(deliveries="x")),
    ("a delivery that is no object", 3, lambda d: d["predicate"]["id"].update(deliveries=[1])),
    (
        "a delivery twice",
        3,
        lambda d: d["predicate"]["id"].update(deliveries=[d["predicate"]["id"]["deliveries"][1]] * 2),
    ),
    ("a delivery of stage closed", 3, lambda d: d["predicate"]["id"]["deliveries"][0].update(stage="closed")),
    (
        "deliveries without the one that it follows",
        3,
        lambda d: d["predicate"]["id"].update(deliveries=d["predicate"]["id"]["deliveries"][:1]),
    ),
    (
        "a rendition in an R1",
        0,
        lambda d: d["predicate"].update(
            delivery={
                "transcoded": {
                    "instances": [
                        {
                            "sopInstanceUID": "2.25.1000",
                            "sha256": "0" * 64,
                            "transferSyntax": "1.2.840.10008.1.2",
                        }
                    ]
                }
            }
        ),
    ),
    (
        "a rendition of no subject",
        1,
        lambda d: d["predicate"]["delivery"].update(
            transcoded={
                "instances": [
                    {"sopInstanceUID": "2.25.9", "sha256": "0" * 64, "transferSyntax": "1.2.840.10008.1.2"}
                ]
            }
        ),
    ),
    (
        "renditions that are no list",
        1,
        lambda d: d["predicate"]["delivery"].update(transcoded={"instances": 1}),
    ),
    ("a pixel digest that is none", 0, lambda d: d["subject"][0]["annotations"].update(pixelSha256="x")),
    (
        "a transfer syntax that is none",
        0,
        lambda d: d["subject"][0]["annotations"].update(transferSyntax="x"),
    ),
]


def _shaped(which: int, change: Change) -> Make:
    def make(bench: Bench, _: Chance) -> Case:
        document = json.loads(bench.world.bundles[which]["receipt.json"])
        change(document)
        return bench.resigned(canonical(document), "S", "statement")

    return make


for _name, _which, _change in _SHAPES:
    add(NAMED, f"really signed: {_name}", _shaped(_which, _change))
