"""Layer S: what is signed, and how: envelope, CMS, the bundle's parts."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.hostile.chance import Chance
from tests.vectors import der, signing
from tests.vectors.certificates import WEB_CLIENT, Odd
from tests.vectors.keys import P256
from tests.vectors.mutants import NAMED, Bench, Make, add, named
from tests.vectors.world import Case, Files

ENVELOPE, P7S, PAYLOAD, CHAIN = "receipt.dsse.json", "receipt.p7s", "receipt.json", "chain.pem"
WEB = Odd(purpose=WEB_CLIENT)
Change = Callable[[dict[str, Any]], object]


def _changed(bench: Bench, change: Change) -> Files:
    document = json.loads(bench.first[ENVELOPE])
    change(document)
    return {**bench.first, ENVELOPE: json.dumps(document).encode()}


def _both(bench: Bench, payload: bytes) -> Files:
    files = _changed(bench, lambda document: document.update(payload=b64encode(payload).decode()))
    return {**files, PAYLOAD: payload}


def _signature(bench: Bench, **fields: str) -> Files:
    return _changed(bench, lambda document: document["signatures"][0].update(fields))


def _raw(bench: Bench, data: bytes) -> Files:
    """A signature by the real key over something else than the PAE."""
    return _signature(bench, sig=b64encode(bench.site.key.sign(data)).decode())


def _bundled(make: Callable[[Bench], Files], *codes: str) -> Make:
    return lambda bench, _: bench.case("S", *codes, bundle=make(bench))


_TABLE: list[tuple[str, str, Callable[[Bench], Files]]] = [
    (
        "edit a field in receipt.json",
        "payload-differs",
        lambda b: {**b.first, PAYLOAD: b.first[PAYLOAD].replace(b'"removed":31', b'"removed":32')},
    ),
    (
        "edit a field in both places",
        "signature",
        lambda b: _both(b, b.first[PAYLOAD].replace(b'"removed":31', b'"removed":32')),
    ),
    ("append a newline", "payload-differs", lambda b: {**b.first, PAYLOAD: b.first[PAYLOAD] + b"\n"}),
    ("append a newline in both places", "signature", lambda b: _both(b, b.first[PAYLOAD] + b"\n")),
    ("append a NUL", "payload-differs", lambda b: {**b.first, PAYLOAD: b.first[PAYLOAD] + b"\0"}),
    ("an empty payload in both places", "signature", lambda b: _both(b, b"")),
    (
        "the payload of another receipt",
        "payload-differs",
        lambda b: {**b.first, PAYLOAD: b.world.bundles[1][PAYLOAD]},
    ),
    (
        "the envelope of another receipt",
        "payload-differs",
        lambda b: {**b.first, ENVELOPE: b.world.bundles[1][ENVELOPE]},
    ),
    (
        "swap the payload type",
        "payload-type",
        lambda b: _changed(b, lambda e: e.update(payloadType="text/plain")),
    ),
    (
        "sign another payload type",
        "payload-type",
        lambda b: {
            **b.first,
            ENVELOPE: signing.envelope(
                b.first[PAYLOAD], [signing.signed(b.first[PAYLOAD], b.site.key, "text/plain")], "text/plain"
            ),
        },
    ),
    (
        "a signature over another payload type",
        "signature",
        lambda b: {
            **b.first,
            ENVELOPE: signing.envelope(
                b.first[PAYLOAD], [signing.signed(b.first[PAYLOAD], b.site.key, "text/plain")]
            ),
        },
    ),
    ("a signature over the bare payload", "signature", lambda b: _raw(b, b.first[PAYLOAD])),
    (
        "a signature over a PAE without lengths",
        "signature",
        lambda b: _raw(b, b"DSSEv1 application/vnd.in-toto+json " + b.first[PAYLOAD]),
    ),
    (
        "a signature over a PAE with another version",
        "signature",
        lambda b: _raw(b, signing.pae(b.first[PAYLOAD]).replace(b"DSSEv1", b"DSSEv2")),
    ),
    (
        "a signature over a PAE that ends in a newline",
        "signature",
        lambda b: _raw(b, signing.pae(b.first[PAYLOAD]) + b"\n"),
    ),
    ("a signature over a shifted PAE", "signature", lambda b: _raw(b, signing.pae(b" " + b.first[PAYLOAD]))),
    ("no signatures", "envelope", lambda b: _changed(b, lambda e: e.update(signatures=[]))),
    ("signatures are no list", "envelope", lambda b: _changed(b, lambda e: e.update(signatures={}))),
    ("a signature is no object", "envelope", lambda b: _changed(b, lambda e: e.update(signatures=["x"]))),
    (
        "seventeen signatures",
        "envelope",
        lambda b: _changed(
            b,
            lambda e: e.update(
                signatures=e["signatures"] + [{"keyid": f"{n:064x}", "sig": "AAAA"} for n in range(16)]
            ),
        ),
    ),
    (
        "one key signs twice",
        "envelope",
        lambda b: _changed(b, lambda e: e.update(signatures=e["signatures"] * 2)),
    ),
    ("an unknown key id", "no-known-signature", lambda b: _signature(b, keyid="0" * 64)),
    ("a key id in capitals", "no-known-signature", lambda b: _signature(b, keyid=b.site.key.keyid.upper())),
    (
        "key id collision: another's signature under the real key id",
        "signature",
        lambda b: _signature(b, sig=b64encode(b.forger.key.sign(signing.pae(b.first[PAYLOAD]))).decode()),
    ),
    ("an empty signature", "signature", lambda b: _signature(b, sig="")),
    (
        "a signature in P1363 form",
        "signature",
        lambda b: _signature(
            b, sig=b64encode(_p1363(b.site.key.sign(signing.pae(b.first[PAYLOAD])))).decode()
        ),
    ),
    (
        "a signature with bytes behind it",
        "signature",
        lambda b: _signature(
            b, sig=b64encode(b.site.key.sign(signing.pae(b.first[PAYLOAD])) + b"\0").decode()
        ),
    ),
    (
        "a signature with a padded number",
        "signature",
        lambda b: _signature(
            b, sig=b64encode(_padded(b.site.key.sign(signing.pae(b.first[PAYLOAD])))).decode()
        ),
    ),
    (
        "a signature of zeros",
        "signature",
        lambda b: _signature(b, sig=b64encode(bytes.fromhex("3006020100020100")).decode()),
    ),
    (
        "a signature with SHA-384",
        "signature",
        lambda b: _signature(
            b,
            sig=b64encode(
                b.site.key.private.sign(
                    signing.pae(b.first[PAYLOAD]), ec.ECDSA(hashes.SHA384(), deterministic_signing=True)
                )
            ).decode(),
        ),
    ),
    (
        "the signature in base64url",
        "envelope",
        lambda b: _changed(b, lambda e: e["signatures"][0].update(sig="-_" + e["signatures"][0]["sig"][2:])),
    ),
    ("base64 with stray bits", "envelope", lambda b: _changed(b, lambda e: e.update(payload="QR=="))),
    (
        "base64 with a line break",
        "envelope",
        lambda b: _changed(b, lambda e: e.update(payload=e["payload"][:76] + "\n" + e["payload"][76:])),
    ),
    ("payload is no text", "envelope", lambda b: _changed(b, lambda e: e.update(payload=7))),
    (
        "a duplicate key in the envelope",
        "json",
        lambda b: {
            **b.first,
            ENVELOPE: b.first[ENVELOPE].replace(b'{"payload"', b'{"payload":"e30=","payload"'),
        },
    ),
    ("the envelope is a list", "json", lambda b: {**b.first, ENVELOPE: b"[" + b.first[ENVELOPE] + b"]"}),
    ("two envelopes", "json", lambda b: {**b.first, ENVELOPE: b.first[ENVELOPE] * 2}),
    (
        "an envelope with a byte order mark",
        "json",
        lambda b: {**b.first, ENVELOPE: b"\xef\xbb\xbf" + b.first[ENVELOPE]},
    ),
    (
        "an envelope in UTF-16",
        "json",
        lambda b: {**b.first, ENVELOPE: b.first[ENVELOPE].decode().encode("utf-16")},
    ),
    ("a float in the envelope", "json", lambda b: _changed(b, lambda e: e.update(extra=1.5))),
    ("an empty envelope", "json", lambda b: {**b.first, ENVELOPE: b""}),
    ("CMS of another receipt", "signature-cms", lambda b: {**b.first, P7S: b.world.bundles[1][P7S]}),
    (
        "CMS by another key",
        "signature-cms",
        lambda b: {**b.first, P7S: signing.detached(b.first[PAYLOAD], b.forger.key, [b.forger.certificate])},
    ),
    (
        "CMS by another key under the real certificate",
        "signature-cms",
        lambda b: {**b.first, P7S: signing.detached(b.first[PAYLOAD], b.forger.key, [b.site.certificate])},
    ),
    ("CMS cut short", "signature-cms", lambda b: {**b.first, P7S: b.first[P7S][:-5]}),
    ("CMS with bytes behind it", "signature-cms", lambda b: {**b.first, P7S: b.first[P7S] + b"\0"}),
    ("an empty CMS", "signature-cms", lambda b: {**b.first, P7S: b""}),
    ("CMS that is no DER", "signature-cms", lambda b: {**b.first, P7S: b"-----BEGIN PKCS7-----\n"}),
    ("CMS that carries content", "signature-cms", lambda b: {**b.first, P7S: _attached(b)}),
    ("no certificates", "chain-certificates", lambda b: {**b.first, CHAIN: b"nothing\n"}),
    ("an empty chain", "chain-certificates", lambda b: {**b.first, CHAIN: b""}),
    ("too many certificates", "chain-certificates", lambda b: {**b.first, CHAIN: b.first[CHAIN] * 17}),
    (
        "only the forger's certificate",
        "no-known-signature",
        lambda b: {**b.first, CHAIN: b.forger.sign(b"")[CHAIN]},
    ),
    *[
        (
            f"without {name}",
            "bundle-incomplete",
            lambda b, name=name: {key: data for key, data in b.first.items() if key != name},
        )
        for name in (PAYLOAD, ENVELOPE, P7S, CHAIN)
    ],
]

for _name, _code, _change in _TABLE:
    add(NAMED, _name, _bundled(_change, _code))


def _p1363(signature: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    return b"".join(number.to_bytes(32, "big") for number in decode_dss_signature(signature))


def _padded(signature: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    first, second = decode_dss_signature(signature)
    long = der.element(der.INTEGER, b"\0" * 3 + first.to_bytes(33, "big"))
    return der.element(der.SEQUENCE, long, der.integer(second))


def _attached(bench: Bench) -> bytes:
    absent = der.element(der.SEQUENCE, der.oid("1.2.840.113549.1.7.1"))
    carried = der.element(der.OCTETS, b"something else")
    present = der.element(der.SEQUENCE, der.oid("1.2.840.113549.1.7.1"), der.element(0xA0, carried))
    return _regrown(bench.first[P7S], absent, present)


def _regrown(cms: bytes, old: bytes, new: bytes) -> bytes:
    """CMS with the content replaced, the lengths around it made right."""
    outer = _value(cms)
    kind, wrapped = outer[: 2 + outer[1]], outer[2 + outer[1] :]
    data = _value(_value(wrapped)).replace(old, new, 1)
    return der.element(der.SEQUENCE, kind, der.element(0xA0, der.element(der.SEQUENCE, data)))


def _value(element: bytes) -> bytes:
    size = element[1] & 0x7F if element[1] & 0x80 else 0
    return element[2 + size :]


@named("CMS that names its signer in other capitals")
def _capitals(bench: Bench, _: Chance) -> Case:
    """RFC 5280 compares names without regard to case, and openssl does; nobody signed this change."""
    head, found, tail = bench.first[P7S].rpartition(b"Lockgate site CA")
    assert found
    return bench.case("S", "signature-cms", bundle={**bench.first, P7S: head + b"LOCKGATE site CA" + tail})


@named("a key id that is no key's, beside the right one, and CMS by nobody")
def _stranger(bench: Bench, _: Chance) -> Case:
    signatures = [signing.signed(bench.first[PAYLOAD], key) for key in (bench.forger.key, bench.site.key)]
    envelope = signing.envelope(bench.first[PAYLOAD], signatures)
    cms = signing.detached(bench.first[PAYLOAD], bench.forger.key, [bench.forger.certificate])
    return bench.case("S", "signature-cms", bundle={**bench.first, ENVELOPE: envelope, P7S: cms})


@named("replace the reviewer's signature by the appliance's")
def _reviewer(bench: Bench, _: Chance) -> Case:
    reviewer = P256(("reviewer",))
    chain = bench.first[CHAIN] + bench.site.sign(b"", reviewer, bench.site.certify(reviewer, WEB))[CHAIN]
    own = signing.signed(bench.first[PAYLOAD], bench.site.key)
    forged = {"keyid": reviewer.keyid, "sig": own["sig"]}
    envelope = signing.envelope(bench.first[PAYLOAD], [own, forged])
    return bench.case("S", "signature", bundle={**bench.first, CHAIN: chain, ENVELOPE: envelope})


@named("only a reviewer signed")
def _only_reviewer(bench: Bench, _: Chance) -> Case:
    reviewer = P256(("reviewer",))
    files = bench.site.sign(bench.first[PAYLOAD], reviewer, bench.site.certify(reviewer, WEB))
    return bench.case("S", "signer-role", bundle=files)


@named("a second appliance signed too")
def _two_appliances(bench: Bench, _: Chance) -> Case:
    second = P256(("second",))
    chain = bench.first[CHAIN] + bench.site.sign(b"", second, bench.site.certify(second))[CHAIN]
    keys = (bench.site.key, second)
    envelope = signing.envelope(
        bench.first[PAYLOAD], [signing.signed(bench.first[PAYLOAD], key) for key in keys]
    )
    return bench.case("S", "signer-role", bundle={**bench.first, CHAIN: chain, ENVELOPE: envelope})


@named("a known key's second signature fails")
def _second_fails(bench: Bench, _: Chance) -> Case:
    chain = bench.first[CHAIN] + bench.forger.sign(b"")[CHAIN]
    own = signing.signed(bench.first[PAYLOAD], bench.site.key)
    wrong = signing.signed(b"something else", bench.forger.key)
    envelope = signing.envelope(bench.first[PAYLOAD], [own, wrong])
    return bench.case("S", "signature", bundle={**bench.first, CHAIN: chain, ENVELOPE: envelope})


@named("a signature with its bits turned")
def _turned(bench: Bench, _: Chance) -> Case:
    sig = json.loads(bench.first[ENVELOPE])["signatures"][0]["sig"]
    data = b64decode(sig)
    return bench.case(
        "S", "signature", bundle=_signature(bench, sig=b64encode(data[:-1] + bytes([data[-1] ^ 1])).decode())
    )
