"""Envelopes by securesystemslib and Statements by in-toto-attestation.

statements.py verify FILE THRESHOLD PUBLIC_KEY...   prints how many keys count, then the predicate's type
statements.py sign FILE PRIVATE_KEY                 signs the envelope's payload anew, as the only signer
"""

import hashlib
import json
import sys

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner, SSlibKey


def key_of(public):
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return SSlibKey.from_crypto(public, keyid=hashlib.sha256(der).hexdigest())


def read(path):
    with open(path, "rb") as file:
        return file.read()


def verify(path, threshold, *keys):
    envelope = Envelope.from_dict(json.loads(read(path)))
    keys = [key_of(load_pem_public_key(read(key))) for key in keys]
    accepted = envelope.verify(keys, int(threshold))
    statement = json_format.Parse(envelope.payload, statement_pb2.Statement())
    Statement.copy_from_pb(statement).validate()
    print(len(accepted), statement.predicate_type)


def sign(path, key):
    envelope = Envelope.from_dict(json.loads(read(path)))
    envelope.signatures = {}
    private = load_pem_private_key(read(key), None)
    envelope.sign(CryptoSigner(private, key_of(private.public_key())))
    with open(path, "w") as file:
        json.dump(envelope.to_dict(), file, indent=1)


{"verify": verify, "sign": sign}[sys.argv[1]](*sys.argv[2:])
