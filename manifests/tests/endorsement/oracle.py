"""COSE by pycose and cwt: a case a line in, as JSON; what they make of it out."""

import json
import sys

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cwt import COSE, COSEKey
from pycose.headers import Algorithm
from pycose.keys import EC2Key, RSAKey
from pycose.keys.curves import P384
from pycose.messages import Sign1Message


def octets(number):
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def pycose_key(public, private=None):
    numbers = public.public_numbers()
    if isinstance(public, ec.EllipticCurvePublicKey):
        d = private.private_numbers().private_value.to_bytes(48, "big") if private else b""
        x, y = numbers.x.to_bytes(48, "big"), numbers.y.to_bytes(48, "big")
        return EC2Key(crv=P384, x=x, y=y, d=d)
    if private is None:
        return RSAKey(n=octets(numbers.n), e=octets(numbers.e))
    secret = private.private_numbers()
    return RSAKey(
        n=octets(numbers.n),
        e=octets(numbers.e),
        d=octets(secret.d),
        p=octets(secret.p),
        q=octets(secret.q),
        dp=octets(secret.dmp1),
        dq=octets(secret.dmq1),
        qinv=octets(secret.iqmp),
    )


def verify(case):
    message = bytes.fromhex(case["message"])
    detached = bytes.fromhex(case["detached"]) if case["detached"] else None
    header = cbor2.loads(cbor2.loads(message).value[0])
    public = x509.load_der_x509_certificate(header[33][0]).public_key()
    if case["library"] == "pycose":
        decoded = Sign1Message.decode(message)
        decoded.key = pycose_key(public)
        if not decoded.verify_signature(detached):
            raise ValueError("the signature does not verify")
        return decoded.payload or detached
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    algorithm = {-35: "ES384", -38: "PS384"}[header[1]]
    return COSE.new().decode(message, COSEKey.from_pem(pem, alg=algorithm), detached_payload=detached)


def sign(case):
    """Signs a header and a payload: the header's values are CBOR, in hexadecimal."""
    private = load_pem_private_key(case["key"].encode(), None)
    header = cbor2.loads(bytes.fromhex(case["header"]))
    algorithm = header.pop(1)
    header = {Algorithm: {-35: "ES384", -38: "PS384"}[algorithm], **header}
    # What was read as tag 1 is written as tag 0.
    if "signingtime" in header:
        header["signingtime"] = cbor2.CBORTag(1, int(header["signingtime"].timestamp()))
    message = Sign1Message(phdr=header, payload=bytes.fromhex(case["payload"]))
    message.key = pycose_key(private.public_key(), private)
    return message.encode()


for line in sys.stdin:
    case = json.loads(line)
    try:
        answer = {"bytes": (verify if case["do"] == "verify" else sign)(case).hex()}
    # The packages raise exceptions of many kinds: each is their answer to the case.
    except Exception as error:
        answer = {"error": repr(error)}
    print(json.dumps(answer))
