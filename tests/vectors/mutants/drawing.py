"""Random mutants: a place is drawn, everything else is fixed. The same draw gives the same mutant."""

import json
from base64 import b64encode
from contextlib import suppress
from copy import deepcopy
from typing import Any

from tests.hostile.chance import Chance
from tests.vectors import signing
from tests.vectors.mutants import RANDOM, Bench, add, drawn, signers
from tests.vectors.mutants.logs import case as log_case
from tests.vectors.statements import Document, canonical
from tests.vectors.world import PROOF, Case, Files

Place = tuple[str | int, ...]
_PARTS = ("receipt.json", "receipt.dsse.json", "receipt.p7s")


def places(value: Any, at: Place = ()) -> list[Place]:
    """The leaves of a document."""
    if isinstance(value, dict):
        return [place for key, item in value.items() for place in places(item, (*at, key))]
    if isinstance(value, list):
        return [place for key, item in enumerate(value) for place in places(item, (*at, key))]
    return [at]


def edit(document: Document, chance: Chance) -> Document:
    """One text or number changed, anywhere."""
    changed = deepcopy(document)
    *way, last = chance.choice(places(document))
    inner: Any = changed
    for key in way:
        inner = inner[key]
    value = inner[last]
    if isinstance(value, int):
        inner[last] = value + chance.choice([-1, 1, 1000])
    elif not value:
        inner[last] = "x"
    else:
        at = chance.randrange(len(value))
        inner[last] = (
            value[:at]
            + chance.choice([c for c in "0123456789abcdefXYZ." if c != value[at]])
            + value[at + 1 :]
        )
    return changed


def flipped(data: bytes, start: int, end: int, chance: Chance) -> bytes:
    """One bit between two offsets."""
    at = chance.randrange(start, end)
    return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]


def _end_of_signature(proof: bytes) -> int:
    """Where the log's own signature ends: its line is the first one that begins with a dash."""
    return proof.index(b"\n", proof.index("\n\N{EM DASH} ".encode()) + 1)


def signer_info(bench: Bench) -> int:
    """Where the signed part of the CMS begins: its signer's issuer and serial number."""
    data = bench.first["receipt.p7s"]
    issuer = bench.site.certificate.issuer.public_bytes()
    return data.rindex(issuer)


@drawn("a bit of receipt.json")
def _bit_json(bench: Bench, chance: Chance) -> Case:
    data = bench.first["receipt.json"]
    return bench.case("S", bundle={**bench.first, "receipt.json": flipped(data, 0, len(data), chance)})


@drawn("a bit of the envelope")
def _bit_envelope(bench: Bench, chance: Chance) -> Case:
    data = bench.first["receipt.dsse.json"]
    return bench.case("S", bundle={**bench.first, "receipt.dsse.json": flipped(data, 0, len(data), chance)})


@drawn("a bit of the CMS")
def _bit_cms(bench: Bench, chance: Chance) -> Case:
    data = bench.first["receipt.p7s"]
    return bench.case(
        "S", bundle={**bench.first, "receipt.p7s": flipped(data, signer_info(bench), len(data), chance)}
    )


add(RANDOM, "a bit of the certificate", signers.certificate_bits)


@drawn("a slice of a part")
def _slice(bench: Bench, chance: Chance) -> Case:
    name = chance.choice(_PARTS)
    data = bench.first[name]
    start = chance.randrange(signer_info(bench) if name.endswith("p7s") else 0, len(data))
    end = min(len(data), start + chance.randrange(40))
    new = bytes(chance.randrange(256) for _ in range(chance.randrange(12)))
    if data[start:end] == new:
        new += b"x"
    return bench.case("S", bundle={**bench.first, name: data[:start] + new + data[end:]})


@drawn("a field of receipt.json")
def _field(bench: Bench, chance: Chance) -> Case:
    payload = canonical(edit(json.loads(bench.first["receipt.json"]), chance))
    return bench.case("S", "payload-differs", bundle={**bench.first, "receipt.json": payload})


def _in_both(bench: Bench, payload: bytes) -> Files:
    envelope = json.loads(bench.first["receipt.dsse.json"])
    envelope["payload"] = b64encode(payload).decode()
    return {**bench.first, "receipt.json": payload, "receipt.dsse.json": json.dumps(envelope).encode()}


@drawn("a field in both places")
def _field_both(bench: Bench, chance: Chance) -> Case:
    payload = canonical(edit(json.loads(bench.first["receipt.json"]), chance))
    return bench.case("S", "signature", bundle=_in_both(bench, payload))


@drawn("a field, signed anew under a fresh CA, logged in a fresh log")
def _field_fresh(bench: Bench, chance: Chance) -> Case:
    document = edit(json.loads(bench.first["receipt.json"]), chance)
    files = bench.forger.sign(canonical(document))
    with suppress(KeyError, TypeError):  # what the edit broke cannot be logged
        files = bench.forger.issue(document, 0, 1)
    return bench.case("S", bundle=files)


@drawn("a field, signed anew by a fresh key under the real key id")
def _field_collision(bench: Bench, chance: Chance) -> Case:
    payload = canonical(edit(json.loads(bench.first["receipt.json"]), chance))
    signature = {**signing.signed(payload, bench.forger.key), "keyid": bench.site.key.keyid}
    cms = signing.detached(payload, bench.forger.key, [bench.site.certificate])
    files = {
        **bench.first,
        "receipt.json": payload,
        "receipt.dsse.json": signing.envelope(payload, [signature]),
        "receipt.p7s": cms,
    }
    return bench.case("S", "signature", bundle=files)


@drawn("a bit of a data set")
def _bit_dataset(bench: Bench, chance: Chance) -> Case:
    item = chance.choice(bench.world.study)
    files = bench.folder()
    name = f"series/{item.uid}.dcm"
    data = files[name]
    return bench.study_case(
        {**files, name: flipped(data, len(data) - len(item.dataset()), len(data), chance)}
    )


@drawn("a slice of a data set")
def _slice_dataset(bench: Bench, chance: Chance) -> Case:
    item = chance.choice(bench.world.study)
    files = bench.folder()
    name = f"series/{item.uid}.dcm"
    data = files[name]
    start = chance.randrange(len(data) - len(item.dataset()), len(data))
    return bench.study_case({**files, name: data[:start] + data[start + chance.randrange(1, 30) :]})


@drawn("an instance missing")
def _missing(bench: Bench, chance: Chance) -> Case:
    files = bench.folder()
    del files[chance.choice(sorted(files))]
    return bench.study_case(files, "missing")


@drawn("a bit of the proof's path, leaf or root")
def _bit_proof(bench: Bench, chance: Chance) -> Case:
    """Up to the end of the log's own signature: what follows is the cosignature."""
    data = bench.first[PROOF]
    return log_case(bench, flipped(data, 0, _end_of_signature(data), chance))


@drawn("lines of the proof dropped, doubled or exchanged")
def _lines(bench: Bench, chance: Chance) -> Case:
    data = bench.first[PROOF]
    head, rest = data[: _end_of_signature(data)], data[_end_of_signature(data) :]
    found = head.split(b"\n")
    at = chance.randrange(len(found))
    other = chance.choice([n for n in range(len(found)) if found[n] != found[at]])
    kind = chance.choice(["drop", "exchange", "double"])
    if kind == "double" and at == len(found) - 1:
        kind = "drop"  # the log's signature twice is still the log's signature
    if kind == "drop":
        del found[at]
    elif kind == "double":
        found.insert(at, found[at])
    else:
        found[at], found[other] = found[other], found[at]
    return log_case(bench, b"\n".join(found) + rest)


@drawn("really logged with another field")
def _leaf_field(bench: Bench, chance: Chance) -> Case:
    leaf = bench.site.leaf(json.loads(bench.first["receipt.json"]))
    name = chance.choice(["receipt", "edition", "stage", "paeSha256", "signer"])
    value = str(leaf[name])
    at = chance.randrange(len(value))
    leaf[name] = (
        value[:at] + chance.choice([c for c in "0123456789abcdef" if c != value[at]]) + value[at + 1 :]
    )
    from tests.vectors.mutants.logs import _fork, _relogged

    return log_case(bench, _relogged(bench, _fork(bench), leaf), "log-leaf")


@drawn("a subject changed in an R2, really signed")
def _chain_subject(bench: Bench, chance: Chance) -> Case:
    from tests.vectors.mutants.chains import _case, _document, _link

    first = _document(bench, 0)
    second = bench.author().write("forwarded", bench.world.study, previous=_link(first))
    subject = chance.choice(second["subject"])
    subject["name"] += str(chance.randrange(10))
    second["subject"].sort(key=lambda item: item["name"])
    return _case(bench, [first, second], "chain-subjects")


@drawn("a replay in a random place")
def _chain_replay(bench: Bench, chance: Chance) -> Case:
    from tests.vectors.zips import zipped

    bundles = [zipped(item) for item in bench.world.bundles]
    bundles.insert(chance.randrange(5), chance.choice(bundles))
    return bench.case("C", "chain-replay", bundles=tuple(bundles), files=None)


@drawn("a receipt of the exchange twice, one with another field, really signed")
def _chain_fork(bench: Bench, chance: Chance) -> Case:
    from tests.vectors.mutants.chains import _case, _document

    which = chance.randrange(4)
    document = _document(bench, which)
    group = chance.choice(["policy", "identity", "completeness", "deidentification"])
    document["predicate"][group] = edit(document["predicate"][group], chance)
    return _case(bench, [_document(bench, which), document], "chain-fork")
