"""The detached CMS signature `receipt.p7s` (RFC 5652), for readers who have only openssl."""

from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import pkcs7

from exchange.domain.errors import KeysError
from exchange.keys.signing import SigningKey

_ONLY_SIGNS: Final = "cannot take the private half out of a signing key: it only signs"


def detached_signature(payload: bytes, key: SigningKey) -> bytes:
    """A DER SignedData over the payload's exact bytes, with the signer's certificate chain inside.

    Raises:
        KeysError: The key has no certificate.
    """
    certificates = x509.load_pem_x509_certificates(key.chain_pem)
    builder = pkcs7.PKCS7SignatureBuilder().set_data(payload)
    builder = builder.add_signer(certificates[0], _Delegate(key), hashes.SHA256())
    for certificate in certificates[1:]:
        builder = builder.add_certificate(certificate)
    options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]
    options.append(pkcs7.PKCS7Options.NoCapabilities)  # S/MIME mail capabilities say nothing here
    return builder.sign(serialization.Encoding.DER, options)


class _Delegate(ec.EllipticCurvePrivateKey):
    """A `SigningKey` in the form that the CMS builder asks for: it can sign and nothing else.

    So a key in a TPM or token, whose private numbers nobody can read, signs here as well.
    """

    def __init__(self, key: SigningKey) -> None:
        self._key = key
        public = serialization.load_der_public_key(key.spki)
        if not isinstance(public, ec.EllipticCurvePublicKey):
            raise KeysError("cannot sign a receipt: the key is not ECDSA P-256", "run `lockgate init`")
        self._public = public

    def sign(self, data: object, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        algorithm = signature_algorithm.algorithm
        if isinstance(algorithm, Prehashed) or not isinstance(algorithm, hashes.SHA256):
            raise KeysError("cannot sign a receipt: only ECDSA with SHA-256 is offered")
        return self._key.sign(bytes(data))  # type: ignore[call-overload]  # any buffer

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._public.curve

    @property
    def key_size(self) -> int:
        return self._public.key_size

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:  # noqa: ARG002
        raise KeysError(_ONLY_SIGNS)

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        raise KeysError(_ONLY_SIGNS)

    def private_bytes(
        self,
        encoding: serialization.Encoding,  # noqa: ARG002
        format: serialization.PrivateFormat,  # noqa: ARG002
        encryption_algorithm: serialization.KeySerializationEncryption,  # noqa: ARG002
    ) -> bytes:
        raise KeysError(_ONLY_SIGNS)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self
