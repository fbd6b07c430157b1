"""Layer S: who signed: certificates, trust folder, validity, revocation, names."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.hostile.chance import Chance
from tests.vectors import certificates, der
from tests.vectors.certificates import Odd
from tests.vectors.keys import P256
from tests.vectors.mutants import NAMED, Bench, Make, add, named
from tests.vectors.statements import NOW, canonical
from tests.vectors.world import AT, Case, Files, Site
from tests.vectors.zips import zipped

_DAY = timedelta(days=1)
_UNKNOWN = ("signer-unknown", "certificate")


def _odd(odd: Odd, *codes: str) -> Callable[[Bench, Chance], Case]:
    def make(bench: Bench, _: Chance) -> Case:
        key = P256(("odd",))
        files = bench.site.sign(bench.first["receipt.json"], key, bench.site.certify(key, odd))
        return bench.case("S", *codes, bundle=files)

    return make


for _name, _odd_one, _codes in [
    ("certified for web clients", Odd(purpose=certificates.WEB_CLIENT), ("signer-role",)),
    ("certified for agreement, not for signing", Odd(signs=False), ("signer-role",)),
    ("certified without a use", Odd(usage=False), ("signer-role",)),
    ("certified as a CA", Odd(ca=True), ("signer-role", "certificate")),
    ("certified with an unknown critical extension", Odd(critical_unknown=True), ("certificate",)),
    ("expired before it signed", Odd(NOW - 9 * _DAY, NOW - _DAY), ("certificate",)),
    ("not yet valid when it signed", Odd(NOW + timedelta(minutes=2), NOW + 9 * _DAY), ("certificate",)),
]:
    add(NAMED, f"a key {_name}", _odd(_odd_one, *_codes))


@named("a certificate that has expired since")
def _expired(bench: Bench, _: Chance) -> Case:
    key = P256(("odd",))
    files = bench.site.sign(
        bench.first["receipt.json"], key, bench.site.certify(key, Odd(end=NOW + 2 * _DAY))
    )
    return bench.case("S", "certificate-expired", bundle=files, now=NOW + 9 * _DAY)


@named("a clock a year back")
def _future(bench: Bench, _: Chance) -> Case:
    return bench.case("S", "issued-in-future", now=NOW - timedelta(days=90))


@named("a certificate for another appliance")
def _other_name(bench: Bench, _: Chance) -> Case:
    key = P256(("edge-02",))
    certificate = bench.site.certify(key, name="edge-02")
    return bench.case(
        "S", "signer-name", bundle=bench.site.sign(bench.first["receipt.json"], key, certificate)
    )


@named("a receipt in another site's name")
def _other_site(bench: Bench, _: Chance) -> Case:
    document = bench.author().write("deidentified", bench.world.study)
    document["predicate"]["agent"]["site"] = "other-hospital"
    return bench.resigned(canonical(document), "S", "signer-name")


@named("another curve")
def _curve(bench: Bench, _: Chance) -> Case:
    key = ec.derive_private_key(12345, ec.SECP384R1())
    subject = bench.site.certificate.subject
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(bench.site.ca.subject)
    builder = builder.public_key(key.public_key()).serial_number(77)
    builder = builder.not_valid_before(certificates.START).not_valid_after(certificates.END)
    for extension in bench.site.certificate.extensions:
        if not isinstance(extension.value, x509.SubjectKeyIdentifier):
            builder = builder.add_extension(extension.value, extension.critical)
    certificate = builder.sign(bench.site.ca_key.private, hashes.SHA256(), ecdsa_deterministic=True)

    class Other(P256):
        @property
        def spki(self) -> bytes:
            return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

        def sign(self, data: bytes) -> bytes:
            return key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))

    files = bench.site.sign(bench.first["receipt.json"], Other(("p384",)), certificate)
    return bench.case("S", "signature", bundle=files)


def _forged(bench: Bench, forger: Site) -> Files:
    """All made anew under a fresh CA, logged in a fresh log."""
    return forger.issue(bench.author().write("deidentified", bench.world.study))


@named("signed anew under a fresh CA, logged in a fresh log")
def _fresh(bench: Bench, _: Chance) -> Case:
    return bench.case("S", *_UNKNOWN, bundle=_forged(bench, bench.forger))


@named("a fresh CA that comes with the bundle")
def _fresh_inside(bench: Bench, _: Chance) -> Case:
    files = _forged(bench, bench.forger)
    own = certificates.pem(bench.forger.root)
    files = {**files, "chain.pem": files["chain.pem"] + own, "ca.pem": own, "trust/ca.pem": own}
    return bench.case("S", *_UNKNOWN, bundle={**files, "log.vkey": bench.forger.log.vkeys})


@named("a fresh issuing CA that names the real one above it")
def _fresh_issuing(bench: Bench, _: Chance) -> Case:
    forger = Site("forger", intermediate=True)
    files = _forged(bench, forger)
    chain = files["chain.pem"] + certificates.pem(bench.site.root)
    return bench.case("S", *_UNKNOWN, bundle={**files, "chain.pem": chain})


@named("certified by another appliance's key")
def _by_appliance(bench: Bench, _: Chance) -> Case:
    """An appliance is no CA."""
    key = P256(("below an appliance",))
    certificate = certificates.appliance(
        bench.site.key, bench.site.certificate, key, bench.site.name, bench.site.appliance
    )
    files = bench.site.sign(bench.first["receipt.json"], key, certificate)
    chain = files["chain.pem"] + certificates.pem(bench.site.certificate)
    # Of two appliances' certificates only one has signed; the other stands above it.
    return bench.case("S", *_UNKNOWN, bundle={**files, "chain.pem": chain})


@named("self-signed under the real names")
def _self_signed(bench: Bench, _: Chance) -> Case:
    key = P256(("self",))
    certificate = certificates.appliance(key, bench.site.ca, key, bench.site.name, bench.site.appliance)
    return bench.case("S", *_UNKNOWN, bundle=bench.site.sign(bench.first["receipt.json"], key, certificate))


@named("an intermediate is missing")
def _gap(bench: Bench, _: Chance) -> Case:
    site = Site(intermediate=True)
    files = site.issue(bench.author().write("deidentified", bench.world.study))
    files["chain.pem"] = certificates.pem(site.certificate)
    return bench.case("S", *_UNKNOWN, bundle=files, trust=site.trust)


@named("no trust at all")
def _no_trust(bench: Bench, _: Chance) -> Case:
    return bench.case("S", "signer-unknown", trust={"log.vkey": bench.site.log.vkeys})


@named("a revoked key, invalid before it signed")
def _revoked(bench: Bench, _: Chance) -> Case:
    return bench.case("S", "key-revoked", trust=bench.site.revoking(bench.site.key.keyid))


@named("a revoked key, invalid after it signed")
def _revoked_later(bench: Bench, _: Chance) -> Case:
    """At L0 and L1 any revocation counts: a thief can backdate."""
    trust = bench.site.revoking(bench.site.key.keyid)
    trust["revoked.json"] = trust["revoked.json"].replace(b"2026-01-01", b"2040-01-01")
    return bench.case("S", "key-revoked", trust=trust)


@named("a revoked CA")
def _revoked_ca(bench: Bench, _: Chance) -> Case:
    return bench.case("S", "key-revoked", trust=bench.site.revoking("0" * 64, bench.site.root_key.keyid))


@named("a revoked intermediate")
def _revoked_issuing(bench: Bench, _: Chance) -> Case:
    site = Site(intermediate=True)
    files = site.issue(bench.author().write("deidentified", bench.world.study))
    return bench.case("S", "key-revoked", bundle=files, trust=site.revoking(site.ca_key.keyid))


def _with_file(file: str, data: bytes) -> Make:
    return lambda bench, _: bench.case("S", "trust-unreadable", trust={**bench.site.trust, file: data})


_ENTRY = b'{"keyid":"%s","invalidFrom":"2026-01-01T00:00:00.000Z","reason":"x"}' % (b"a" * 64)
for _name, _file, _data in [
    ("revoked.json is cut", "revoked.json", b'{"keys":['),
    ("revoked.json has no keys", "revoked.json", b"{}"),
    ("revoked.json has a keyid in capitals", "revoked.json", b'{"keys":[%s]}' % _ENTRY.replace(b"aa", b"AA")),
    ("revoked.json has keys twice", "revoked.json", b'{"keys":[],"keys":[]}'),
    (
        "an anchor that is no certificate",
        "b.pem",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ),
    ("an anchor file without a certificate", "b.pem", b"hello\n"),
    ("a log key with a wrong key id", "b.vkey", b"lockgate.log/00/1+00000000+AQAA\n"),
    ("a policy of level nine", "policy", b'{"minimumLevel":9}'),
    ("a policy that is no JSON", "policy", b"minimumLevel: 0"),
]:
    add(NAMED, f"a damaged trust folder: {_name}", _with_file(_file, _data))


@named("an anchor that is no CA")
def _leaf_anchor(bench: Bench, _: Chance) -> Case:
    trust = {**bench.site.trust, "leaf.pem": certificates.pem(bench.site.certificate)}
    return bench.case("S", "trust-unreadable", trust=trust)


@named("a level that is not reached")
def _level(bench: Bench, _: Chance) -> Case:
    return bench.case("W", "level", trust={**bench.site.trust, "policy": b'{"minimumLevel":2}'})


@named("a level that an unlogged receipt does not reach")
def _unlogged_level(bench: Bench, _: Chance) -> Case:
    files = {name: data for name, data in bench.first.items() if name != "receipt.tlog-proof"}
    trust = {**bench.site.trust, "policy": b'{"minimumLevel":1}'}
    return bench.case("W", "level", bundle=files, trust=trust)


def certificate_bits(bench: Bench, chance: Chance) -> Case:
    """One bit of the appliance's certificate, in both places where it stands."""
    data = bytearray(bench.site.certificate.public_bytes(Encoding.DER))
    # Behind the outer lengths: a flip there must still leave a certificate to be judged, or none at all.
    data[chance.randrange(4, len(data))] ^= 1 << chance.randrange(8)
    return replace(
        bench.case("S"),
        bundles=(zipped({**bench.first, "chain.pem": der.pem("CERTIFICATE", bytes(data))}),),
        now=AT,
    )
