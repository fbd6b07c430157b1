"""securesystemslib for DSSE and in-toto-attestation for the statement: they see a part of layer S.

What they accept is «not-checked», because they know neither CMS nor certificates nor trust; what they refuse
is «failed».
"""

import json
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from google.protobuf.json_format import ParseDict, ParseError
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from securesystemslib.signer._key import Key, SSlibKey

from tests.vectors.verifiers import FAILED, LAYERS, NOT_CHECKED, Answer
from tests.vectors.verifiers.parts import parts_of
from tests.vectors.world import Case, Files


def ask(case: Case) -> list[Answer]:
    """An answer for each bundle."""
    return [_answer(parts_of(bundle)) for bundle in case.bundles]


def _answer(parts: Files) -> Answer:
    layers = dict.fromkeys(LAYERS, NOT_CHECKED)
    problem = _problem(parts)
    return Answer(layers | {"S": FAILED if problem else NOT_CHECKED}, None, problem)


def _problem(parts: Files) -> str:
    try:
        envelope = Envelope.from_dict(json.loads(parts["receipt.dsse.json"]))
        keys: list[Key] = [_key(one) for one in x509.load_pem_x509_certificates(parts["chain.pem"])]
        envelope.verify(keys, 1)
        document = json.loads(envelope.payload)
        if document["subject"]:  # a closing receipt of nothing delivered has none: in-toto wants one at least
            statement = ParseDict(document, statement_pb2.Statement())
            Statement.copy_from_pb(statement).validate()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ParseError) as error:
        return type(error).__name__
    except (VerificationError, UnverifiedSignatureError, UnsupportedAlgorithm) as error:
        return type(error).__name__
    return ""


def _key(certificate: x509.Certificate) -> SSlibKey:
    public = certificate.public_key()
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    text = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return SSlibKey(sha256(spki).hexdigest(), "ecdsa", "ecdsa-sha2-nistp256", {"public": text})
