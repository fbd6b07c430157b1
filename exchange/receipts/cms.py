"""The detached CMS signature `receipt.p7s` (RFC 5652), for readers who have only openssl."""

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7

from exchange.keys.delegate import DelegatedKey
from exchange.keys.signing import SigningKey


def detached_signature(payload: bytes, key: SigningKey) -> bytes:
    """A DER SignedData over the payload's exact bytes, with the signer's certificate chain inside.

    Raises:
        KeysError: The key has no certificate.
    """
    certificates = x509.load_pem_x509_certificates(key.chain_pem)
    builder = pkcs7.PKCS7SignatureBuilder().set_data(payload)
    builder = builder.add_signer(certificates[0], DelegatedKey(key), hashes.SHA256())
    for certificate in certificates[1:]:
        builder = builder.add_certificate(certificate)
    options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]
    options.append(pkcs7.PKCS7Options.NoCapabilities)  # S/MIME mail capabilities say nothing here
    return builder.sign(serialization.Encoding.DER, options)
