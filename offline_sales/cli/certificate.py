# This file is part of Ventas sin Internet. The COPYRIGHT file at the top
# level of this repository contains the full copyright notices and license.
"A certificate for the computers of one shop, which is its own authority"
import datetime as dt
import ipaddress
import socket

from .place import write

__all__ = ['make']

YEARS = 10


def make(directory, host):
    "Return the files of a certificate and its key, made if they are not yet"
    certificate = directory / 'certificate.pem'
    key = directory / 'private-key.pem'
    if not (certificate.exists() and key.exists()):
        certified, private = _certify(host)
        write(key, private)
        write(certificate, certified, mode=0o644)
    return certificate, key


def _names(host):
    from cryptography import x509
    names = {socket.gethostname(), 'localhost'}
    addresses = {'127.0.0.1'}
    try:
        address = ipaddress.ip_address(host.strip('[]'))
    except ValueError:
        if host and host != '*':
            names.add(host)
        address = None
    if address and not address.is_unspecified:
        addresses.add(str(address))
    else:
        addresses.update(_own_addresses())
    return x509.SubjectAlternativeName([
            *map(x509.DNSName, sorted(names)),
            *(x509.IPAddress(ipaddress.ip_address(a))
                for a in sorted(addresses))])


def _own_addresses():
    try:
        return {
            info[4][0] for info in socket.getaddrinfo(
                socket.gethostname(), None, socket.AF_INET)}
    except OSError:
        return set()


def _certify(host):
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([
            x509.NameAttribute(x509.NameOID.COMMON_NAME, 'offline-sales')])
    now = dt.datetime.now(dt.timezone.utc)
    certificate = (x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=365 * YEARS))
        .add_extension(_names(host), critical=False)
        .add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256()))
    encoding = serialization.Encoding.PEM
    return (
        certificate.public_bytes(encoding).decode(),
        key.private_bytes(
            encoding, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()).decode())
