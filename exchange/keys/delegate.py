"""A `SigningKey` where a library asks for a private key."""

from typing import Final, Self

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from exchange.domain.errors import KeysError
from exchange.keys.signing import SigningKey

_ONLY_SIGNS: Final = "cannot take the private half out of a signing key: it only signs"


class DelegatedKey(ec.EllipticCurvePrivateKey):
    """A `SigningKey` in the form that builders of CMS and X.509 ask for: it can sign and nothing else.

    So a key in a TPM or token, whose private numbers nobody can read, signs here as well.
    """

    def __init__(self, key: SigningKey) -> None:
        self._key = key
        public = serialization.load_der_public_key(key.spki)
        if not isinstance(public, ec.EllipticCurvePublicKey):
            raise KeysError("cannot sign: the key is not ECDSA P-256", "run `lockgate init`")
        self._public = public

    def sign(self, data: object, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """ECDSA with SHA-256 over `data`, DER.

        Raises:
            KeysError: Another algorithm was asked for, or the key cannot sign.
        """
        algorithm = signature_algorithm.algorithm
        if isinstance(algorithm, Prehashed) or not isinstance(algorithm, hashes.SHA256):
            raise KeysError("cannot sign: only ECDSA with SHA-256 is offered")
        return self._key.sign(bytes(data))  # type: ignore[call-overload]  # any buffer

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public half."""
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        """P-256."""
        return self._public.curve

    @property
    def key_size(self) -> int:
        """In bits."""
        return self._public.key_size

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:  # noqa: ARG002
        """Never."""
        raise KeysError(_ONLY_SIGNS)

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        """Never."""
        raise KeysError(_ONLY_SIGNS)

    def private_bytes(
        self,
        encoding: serialization.Encoding,  # noqa: ARG002
        format: serialization.PrivateFormat,  # noqa: ARG002
        encryption_algorithm: serialization.KeySerializationEncryption,  # noqa: ARG002
    ) -> bytes:
        """Never."""
        raise KeysError(_ONLY_SIGNS)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self
