"""Certificates for tests, made with `openssl`."""

import ssl
import subprocess
from pathlib import Path


class Authority:
    """A CA in a directory of its own. What it makes are paths: `NAME.pem`, and `NAME.key` beside it."""

    def __init__(self, directory: Path, name: str = "ca"):
        self.directory = directory / name
        self.directory.mkdir()
        self.certificate, self.key = self._paths("ca")
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                      "-subj", f"/CN={name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", self.key, "-out", self.certificate)
        self.key.chmod(0o600)
        (self.directory / "index").touch()
        (self.directory / "number").write_text("01\n")
        (self.directory / "settings").write_text(
            f"[ca]\ndefault_ca=own\n[own]\ndatabase={self.directory}/index\ncertificate={self.certificate}\n"
            f"new_certs_dir={self.directory}\nrand_serial=yes\npolicy=any\nunique_subject=no\n"
            f"private_key={self.key}\ndefault_md=sha256\ndefault_crl_days=30\n"
            f"crlnumber={self.directory}/number\ncrl_extensions=list\n[list]\nauthorityKeyIdentifier=keyid\n"
            "[any]\ncommonName=supplied\n"
        )

    def make(self, name: str, names: str, usage: str | None = None, dates: tuple[str, str] | None = None) -> Path:
        """A certificate with these names: `DNS:a.example,IP:127.0.0.1`, good in the next 20 days or between two dates (`20200131235959Z`)."""
        certificate, key = self._paths(name)
        extensions = self.directory / f"{name}.ext"
        alternative = f"subjectAltName={names}\n" if names else ""
        extensions.write_text(f"basicConstraints=CA:FALSE\n{alternative}" + (f"extendedKeyUsage={usage}\n" if usage else ""))
        request = self.directory / f"{name}.csr"
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        if dates:
            self._openssl("ca", "-config", self.directory / "settings", "-batch", "-notext", "-startdate", dates[0], "-enddate", dates[1],
                          "-extfile", extensions, "-in", request, "-out", certificate)
            key.chmod(0o600)
            return certificate
        self._openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                      "-days", "20", "-extfile", extensions, "-out", certificate)
        key.chmod(0o600)
        return certificate

    def revoke(self, *certificates: Path) -> Path:
        """The list of everything that was revoked so far, and of these."""
        for certificate in certificates:
            self._openssl("ca", "-config", self.directory / "settings", "-revoke", certificate)
        revoked = self.directory / "crl.pem"
        self._openssl("ca", "-config", self.directory / "settings", "-gencrl", "-out", revoked)
        return revoked

    def client(self, own: Path | None = None) -> ssl.SSLContext:
        """What a Python program connects with that trusts this authority."""
        context = ssl.create_default_context(cafile=self.certificate)
        if own:
            context.load_cert_chain(own, own.with_suffix(".key"))
        return context

    def _paths(self, name: str) -> tuple[Path, Path]:
        return self.directory / f"{name}.pem", self.directory / f"{name}.key"

    @staticmethod
    def _openssl(*arguments):
        done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
