"""The verifier raises its own error and nothing else, on any input (invariant 9)."""

import json
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.receipts.bundle import bundle_files, zipped
from exchange.receipts.facts import Edition
from exchange.receipts.verify.cms import check_detached
from exchange.receipts.verify.container import open_bundle, parse_bundle
from exchange.receipts.verify.envelope import parse_chain, parse_envelope
from exchange.receipts.verify.errors import VerificationError
from exchange.receipts.verify.part10 import FileDigest, digest_file, walk_file
from exchange.receipts.verify.strictjson import parse_object
from exchange.receipts.verify.trust import Trust, parse_trust, read_trust
from exchange.receipts.verify.verifier import check_consistent, guarded, verify_bytes
from tests.exchange.receipts.making import NOW, Site, dicom, full_chain, pack, unpack, write_study

once = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


class World:
    """One signed receipt and its site, made once."""

    def __init__(self, root: Path) -> None:
        self.site = Site(root / "site")
        chain = full_chain(self.site, write_study(root / "study"), Edition.PARTNER)
        self.receipt, self.last = chain[0], chain[3]
        self.files = unpack(self.receipt.bundle_bytes)
        self.trust = read_trust(self.site.trust)
        self.certificates = next(iter(parse_chain(self.site.key.chain_pem).values()))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


def only_its_own_error(data: bytes, trust: Trust) -> None:
    # `internal` means that the outer boundary had to catch a surprise: a defect.
    assert refusal(lambda: verify_bytes(data, trust, NOW)) != "internal"


def refusal(steps: Callable[[], object]) -> str:
    """The code of the VerificationError that these steps raise, "" when they raise none."""
    try:
        steps()
    except VerificationError as error:
        return error.code
    return ""


def mutate(data: st.DataObject, original: bytes) -> bytes:
    """Replace one slice by some bytes."""
    start = data.draw(st.integers(0, len(original)))
    end = data.draw(st.integers(start, min(len(original), start + 40)))
    return original[:start] + data.draw(st.binary(max_size=12)) + original[end:]


@once
@given(st.binary(max_size=400), st.booleans())
def test_any_bytes(world: World, data: bytes, magic: bool) -> None:
    only_its_own_error((b"PK\x03\x04" if magic else b"") + data, world.trust)


@once
@given(st.data())
def test_mutated_zip(world: World, data: st.DataObject) -> None:
    only_its_own_error(mutate(data, world.receipt.bundle_bytes), world.trust)


@once
@given(st.data(), st.sampled_from(["receipt.json", "receipt.dsse.json", "receipt.p7s", "chain.pem"]))
def test_mutated_part(world: World, data: st.DataObject, name: str) -> None:
    only_its_own_error(pack({**world.files, name: mutate(data, world.files[name])}), world.trust)


@once
@given(st.data())
def test_mutated_and_signed_payload(world: World, data: st.DataObject) -> None:
    """A trusted but broken appliance: everything behind the signature is reached."""
    payload = mutate(data, world.last.payload)
    only_its_own_error(zipped(bundle_files("x", payload, world.site.key)), world.trust)


def paths(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """All places in a document."""
    found = [at]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += paths(item, (*at, key))
    return found


@once
@given(st.data(), ANY_JSON)
def test_any_value_anywhere_in_a_signed_payload(world: World, data: st.DataObject, value: Any) -> None:
    document = json.loads(world.last.payload)
    *way, last = data.draw(st.sampled_from(paths(document)[1:]))
    inner = document
    for key in way:
        inner = inner[key]
    inner[last] = value
    payload = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    encoded = payload.encode("utf-8", "surrogatepass")
    only_its_own_error(zipped(bundle_files("x", encoded, world.site.key)), world.trust)


@once
@given(
    ANY_JSON
    | st.fixed_dictionaries(
        {"payload": st.text(), "payloadType": st.just("application/vnd.in-toto+json"), "signatures": ANY_JSON}
    )
)
def test_any_envelope(world: World, value: Any) -> None:
    only_its_own_error(pack({**world.files, "receipt.dsse.json": json.dumps(value).encode()}), world.trust)


@once
@given(st.data())
def test_any_der(world: World, data: st.DataObject) -> None:
    signature = (
        data.draw(st.binary(max_size=200))
        if data.draw(st.booleans())
        else mutate(data, world.files["receipt.p7s"])
    )
    code = refusal(lambda: check_detached(signature, world.receipt.payload, world.certificates))
    assert code in ("", "signature-cms")


@given(st.binary(max_size=300))
def test_any_json_bytes(data: bytes) -> None:
    assert refusal(lambda: parse_object(data, "x")) in ("", "json")


@given(st.integers(100, 200_000), st.sampled_from([b"[", b'{"a":']))
def test_deep_json(depth: int, opening: bytes) -> None:
    with pytest.raises(VerificationError):
        parse_object(opening * depth, "x")


def test_deep_json_that_closes() -> None:
    with pytest.raises(VerificationError):
        parse_object(b'{"a":' * 5000 + b"1" + b"}" * 5000, "x")


@once
@given(st.data())
def test_any_trust_folder(world: World, data: st.DataObject) -> None:
    pem = mutate(data, world.site.anchor.read_bytes())
    extra = data.draw(st.none() | st.binary(max_size=60))
    policy = data.draw(st.none() | st.binary(max_size=40))

    def steps() -> None:
        only_its_own_error(world.receipt.bundle_bytes, parse_trust({"a.pem": pem}, extra, policy, ""))

    assert refusal(steps) in ("", "trust-unreadable")


@once
@given(
    st.data(),
    st.sampled_from(
        ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"]
    ),
)
def test_any_dicom_file(tmp_path: Path, data: st.DataObject, syntax: str) -> None:
    path = tmp_path / "x.dcm"
    path.write_bytes(
        mutate(data, dicom("2.25.7"))
        if data.draw(st.booleans())
        else dicom("2.25.7")[:200] + data.draw(st.binary(max_size=200))
    )
    assert refusal(lambda: digest_file(path)) in ("", "file-unreadable")
    assert refusal(lambda: walk_file(path, FileDigest("", syntax, "", 144))) in ("", "file-unreadable")


def test_the_boundary_turns_a_surprise_into_a_refusal() -> None:
    def surprise() -> None:
        raise ZeroDivisionError("KOWALSKA")

    with pytest.raises(VerificationError) as caught:
        guarded(surprise)
    assert caught.value.code == "internal"
    assert "KOWALSKA" not in str(caught.value)


def test_pipe_does_not_hang(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.zip")
    with pytest.raises(VerificationError):
        open_bundle(tmp_path / "pipe.zip")


def test_certificate_without_use_is_no_appliance(world: World) -> None:
    """A chain whose certificate states no purpose: the site's CA as the signer."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    from exchange.keys.signing import FileSigningKey, keyid_of, spki_of

    key = serialization.load_pem_private_key((world.site.root / "keys/ca.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    spki = spki_of(key.public_key())
    ca = FileSigningKey(key, world.site.anchor.read_bytes(), spki, keyid_of(spki))
    data = zipped(bundle_files("x", world.receipt.payload, ca))
    with pytest.raises(VerificationError) as caught:
        check_consistent(parse_bundle(data))
    assert caught.value.code == "signer-role"
    assert parse_envelope(unpack(data)["receipt.dsse.json"]).payload == world.receipt.payload
    assert b64encode(world.receipt.payload) in data
