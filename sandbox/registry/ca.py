"""The throwaway CA, the registries' certificates and the token server's key."""

import datetime
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import place

_DAYS = 365


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _build(subject: str, issuer: str, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
    )


def _write(name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = place.CA.parent / f"{name}.key"
    path.touch(mode=0o600)
    path.write_bytes(private)
    (place.CA.parent / f"{name}.crt").write_bytes(certificate.public_bytes(pem))


def make() -> None:
    """Makes all of it once; what is there stays."""
    if place.CA.exists():
        return
    os.makedirs(place.CA.parent, exist_ok=True)
    issuer = f"{place.NAME} throwaway CA"
    root = ec.generate_private_key(ec.SECP256R1())
    for name, host in (("ghcr", place.GHCR_NAME), ("basic", place.BASIC_NAME)):
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(host)])
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        leaf = _build(host, issuer, key).add_extension(names, False).add_extension(usage, False)
        leaf = leaf.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        _write(name, key, leaf.sign(root, hashes.SHA256()))
    token = ec.generate_private_key(ec.SECP256R1())
    _write("token", token, _build("token server", "token server", token).sign(token, hashes.SHA256()))
    ca = _build(issuer, issuer, root).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
    _write("ca", root, ca.sign(root, hashes.SHA256()))


if __name__ == "__main__":
    make()
