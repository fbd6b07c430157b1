"""What a receipt says: canonical, in two editions, with no word too much in the partner's."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from hypothesis import given
from hypothesis import strategies as st

from exchange.domain.errors import KeysError
from exchange.domain.exchange import Direction
from exchange.keys.delegate import DelegatedKey
from exchange.keys.signing import FileSigningKey, spki_of
from exchange.receipts.bundle import zipped
from exchange.receipts.dsse import envelope, pae, pae_sha256
from exchange.receipts.facts import DeliveryLink, Edition, Links, PolicyFacts, ReceiptBody, Stage, StudyFacts
from exchange.receipts.issuer import IssuedReceipt, uuid7
from exchange.receipts.references import Reference, keyed_reference
from exchange.receipts.statement import ReceiptError, Ticket, canonical, timestamp
from exchange.receipts.verify import envelope as verifying
from exchange.receipts.verify.strictjson import canonical as strict_canonical
from exchange.receipts.verify.strictjson import parse_object
from tests.exchange.receipts.jsonschema_subset import conforms
from tests.exchange.receipts.making import NOW, PHI, Site, Study, body, delivery, full_chain, unpack

SCHEMAS = Path(__file__).parents[3] / "config/schemas"


def test_partner_edition_leaks_nothing(site: Site, study: Study) -> None:
    """No name, free text, original UID or other destination in any byte of any bundle of the chain."""
    for receipt in full_chain(site, study, Edition.PARTNER):
        secrets = {*PHI.values(), "Kowalska", "Maria", "Weiss", "Hannah"}
        if receipt.stage is Stage.REJECTED:
            secrets.discard(PHI["other"])  # that partner's own receipt names it
        for data in unpack(receipt.bundle_bytes).values():
            for secret in secrets:
                assert secret.encode() not in data
                assert secret.casefold().encode() not in data.lower()


def test_site_edition_says_who_and_why(site: Site, study: Study) -> None:
    last = full_chain(site, study, Edition.SITE)[3].payload
    for word in ("person", "reason", "study", "user", "other"):
        assert PHI[word].encode() in last
    predicate = json.loads(last)["predicate"]
    assert predicate["study"]["sourceStudyInstanceUID"] == PHI["study"]
    assert predicate["review"][0]["reasonText"] == PHI["reason"]


def test_editions_differ_only_in_what_is_left_out(site: Site, study: Study) -> None:
    def within(small: Any, large: Any) -> bool:
        if isinstance(small, dict):
            return all(key in large and within(value, large[key]) for key, value in small.items())
        if isinstance(small, list):
            return len(small) == len(large) and all(map(within, small, large))
        return bool(small == large) or (small, large) == ("partner", "site")

    ticket = site.issuer.ticket()
    partner, own = (
        json.loads(site.issuer.issue(Stage.DEIDENTIFIED, edition, body(study), ticket=ticket).payload)
        for edition in (Edition.PARTNER, Edition.SITE)
    )
    assert within(partner, own)
    assert not within(own, partner)


def test_schema_of_every_receipt(site: Site, study: Study) -> None:
    schema = json.loads((SCHEMAS / "receipt.schema.json").read_text())
    envelopes = json.loads((SCHEMAS / "receipt-envelope.schema.json").read_text())
    for edition in Edition:
        for receipt in full_chain(site, study, edition):
            assert conforms(json.loads(receipt.payload), schema) == ""
            signed = unpack(receipt.bundle_bytes)["receipt.dsse.json"]
            assert conforms(json.loads(signed), envelopes) == ""


def test_pixels_not_examined_is_said(site: Site, study: Study) -> None:
    facts = body(study).deidentification
    assert facts is not None
    unread = body(study, deidentification=replace(facts, pixel=None, proof=None))
    payload = site.issuer.issue(Stage.DEIDENTIFIED, Edition.PARTNER, unread).payload
    group = json.loads(payload)["predicate"]["deidentification"]
    assert group["pixels"] == "not examined"
    assert "pixel" not in group
    assert "proof" not in group
    bare = replace(unread, deidentification=None, completeness=None, direction=Direction.INBOUND)
    predicate = json.loads(site.issuer.issue(Stage.ACCEPTED, Edition.PARTNER, bare).payload)["predicate"]
    assert "deidentification" not in predicate
    assert predicate["agent"]["keyProtection"] == "file"


def test_same_facts_same_payload(site: Site, study: Study) -> None:
    ticket = site.issuer.ticket()
    one = site.issuer.issue(Stage.DEIDENTIFIED, Edition.SITE, body(study), ticket=ticket)
    shuffled = replace(body(study), subjects=study.subjects[::-1])
    two = site.issuer.issue(Stage.DEIDENTIFIED, Edition.SITE, shuffled, ticket=ticket)
    assert one.payload == two.payload
    assert one.pae_sha256 == two.pae_sha256 == pae_sha256(one.payload)
    assert one.payload == rfc8785.dumps(json.loads(one.payload))
    assert one.file_name == f"{ticket.receipt_id}.receipt.zip"


def test_zip_is_deterministic() -> None:
    assert zipped({"a": b"1", "b": b"2"}) == zipped({"a": b"1", "b": b"2"})


def _refusals() -> list[tuple[Stage, Callable[[ReceiptBody], ReceiptBody], Links, str]]:
    same = lambda made: made  # noqa: E731 - a table entry
    long = "0" * 64
    return [
        (Stage.DEIDENTIFIED, lambda made: replace(made, subjects=()), Links(), "no instance"),
        (Stage.DEIDENTIFIED, lambda made: replace(made, subjects=made.subjects * 2), Links(), "two subjects"),
        (Stage.DEIDENTIFIED, lambda made: replace(made, delivery=delivery()), Links(), "only R2"),
        (Stage.CLOSED, lambda made: replace(made, delivery=delivery()), Links(), "only R2"),
        (Stage.FORWARDED, same, Links(previous=long), "needs a delivery"),
        (Stage.FORWARDED, lambda made: replace(made, delivery=delivery()), Links(), "needs a delivery"),
        (Stage.CLOSED, same, Links(previous="abc"), "no SHA-256"),
        (Stage.DEIDENTIFIED, same, Links(deliveries=(DeliveryLink(Stage.FORWARDED, long),)), "only R3"),
        (Stage.DEIDENTIFIED, lambda made: replace(made, policy=PolicyFacts("a\nb", "")), Links(), "control"),
        (
            Stage.DEIDENTIFIED,
            lambda made: replace(made, study=StudyFacts("1.2", 1, 1, 1 << 53, "")),
            Links(),
            "2\\^53",
        ),
    ]


@pytest.mark.parametrize(("stage", "change", "links", "why"), _refusals())
def test_refuses_to_issue(
    site: Site,
    study: Study,
    stage: Stage,
    change: Callable[[ReceiptBody], ReceiptBody],
    links: Links,
    why: str,
) -> None:
    with pytest.raises(ReceiptError, match=why) as caught:
        site.issuer.issue(stage, Edition.PARTNER, change(body(study)), links)
    assert caught.value.message.startswith("cannot ")


def test_refuses_ticket_of_another_form(site: Site, study: Study) -> None:
    with pytest.raises(ReceiptError, match="UUIDv7"):
        site.issuer.issue(Stage.DEIDENTIFIED, Edition.SITE, body(study), ticket=Ticket("../x", "now"))


def test_time_needs_a_zone() -> None:
    assert timestamp(NOW) == "2026-05-04T12:30:15.250Z"
    with pytest.raises(ReceiptError):
        timestamp(datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test


@given(st.integers(0, (1 << 48) - 1), st.binary(min_size=10, max_size=10))
def test_uuid7_layout(milliseconds: int, entropy: bytes) -> None:
    import uuid

    made = uuid.UUID(uuid7(milliseconds, entropy))
    assert (made.version, made.variant, made.int >> 80) == (7, uuid.RFC_4122, milliseconds)
    assert str(made) == uuid7(milliseconds, entropy)


def test_uuid7_sorts_by_time(site: Site) -> None:
    one = site.issuer.ticket()
    site.tick()
    assert one.receipt_id < site.issuer.ticket().receipt_id


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6)
JSON = st.recursive(
    TEXT | st.integers(-(2**53) + 1, 2**53 - 1),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(TEXT, JSON, max_size=4))
def test_verifier_and_writer_agree_on_canonical_form(document: dict[str, Any]) -> None:
    """Two implementations: rfc8785 in the writer, our own in the verifier."""
    data = rfc8785.dumps(document)
    assert canonical(document) == data
    assert strict_canonical(document) == data
    assert parse_object(data, "x") == document


@given(st.binary(max_size=300))
def test_writer_and_verifier_agree_on_the_pae(payload: bytes) -> None:
    assert pae(payload) == verifying.pae(payload)
    assert pae(payload).endswith(payload)


def test_reference_is_keyed_and_of_one_kind() -> None:
    one = keyed_reference(b"a" * 32, Reference.STUDY, "1.2.3")
    assert one.startswith("hmac-sha256:")
    assert one != keyed_reference(b"b" * 32, Reference.STUDY, "1.2.3")
    assert one != keyed_reference(b"a" * 32, Reference.USER, "1.2.3")
    assert "1.2.3" not in one


def test_delegate_only_signs(site: Site) -> None:
    delegate = DelegatedKey(site.key)
    assert delegate.key_size == 256
    assert delegate.curve.name == "secp256r1"
    assert delegate.__copy__() is delegate
    assert delegate.__deepcopy__({}) is delegate
    assert spki_of(delegate.public_key()) == site.key.spki
    none = serialization.NoEncryption()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    for refused in (
        delegate.private_numbers,
        lambda: delegate.private_bytes(pem, pkcs8, none),
        lambda: delegate.exchange(ec.ECDH(), delegate.public_key()),
        lambda: delegate.sign(b"", ec.ECDSA(hashes.SHA512())),
        lambda: delegate.sign(b"", ec.ECDSA(Prehashed(hashes.SHA256()))),
    ):
        with pytest.raises(KeysError):
            refused()


def test_delegate_refuses_other_keys() -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa

    public = rsa.generate_private_key(65537, 2048).public_key()
    spki = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(KeysError):
        DelegatedKey(FileSigningKey(ec.generate_private_key(ec.SECP256R1()), b"", spki, ""))


def test_envelope_has_one_signature_by_the_key(site: Site, chain: list[IssuedReceipt]) -> None:
    document = json.loads(envelope(chain[0].payload, site.key))
    assert [item["keyid"] for item in document["signatures"]] == [site.key.keyid]
