"""Certificates that are good for one test run: an authority of our own, and what it signs. Made with openssl."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.services.distribution import Missing

DAYS = "2"
SIGNED = "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage={usage}\n"


class Certificate(NamedTuple):
    """Two PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority that nobody but this test run trusts; its own certificate is `ca`."""

    def __init__(self, folder: Path, name: str = "authority of a test run") -> None:
        """Raises `Missing` where there is no openssl."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.ca, self._key = folder / "ca.pem", folder / "ca.key"
        self._openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", DAYS, "-subj", f"/CN={name}"),
            *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"),
            *("-keyout", self._key, "-out", self.ca),
        )

    def sign(self, name: str = "localhost", usage: str = "serverAuth") -> Certificate:
        """A certificate for this machine; `usage` is `serverAuth` or `clientAuth`."""
        made = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request, extensions = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        extensions.write_text(SIGNED.format(usage=usage))
        self._openssl(
            *("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}"), "-keyout", made.key, "-out", request
        )
        self._openssl(
            *("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", self._key, "-CAcreateserial"),
            *("-days", DAYS, "-extfile", extensions, "-out", made.certificate),
        )
        return made

    def _openssl(self, *arguments: object) -> None:
        program = shutil.which("openssl")
        if program is None:
            raise Missing("no openssl to make certificates with; install it")
        subprocess.run([program, *map(str, arguments)], check=True, capture_output=True)
