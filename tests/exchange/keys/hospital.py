"""A hospital's CA as openssl runs one: a root, an intermediate, and whatever it certifies."""

import subprocess
from pathlib import Path

EKU = "2.25.214921789135005249558003775022496054785"
GOOD = f"basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage={EKU}\n"
_CA = "basicConstraints=critical,CA:TRUE{}\nkeyUsage=critical,keyCertSign,cRLSign\n"
_KEY_IDS = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"


def openssl(*arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run openssl."""
    return subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, check=check, timeout=30
    )


class HospitalCa:
    """A root and an intermediate, made by openssl; the intermediate certifies requests."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.root = self._authority("root", None, "")
        self.middle = self._authority("middle", "root", ",pathlen:0")

    def certify(
        self, request: Path, extensions: str = GOOD, days: str = "365", subject: str | None = None
    ) -> Path:
        """The certificate for a request, with the intermediate behind it."""
        certificate = self._signed(request, "leaf", "middle", extensions, days, subject)
        chain = self.folder / "chain.pem"
        chain.write_text(certificate.read_text() + self.middle.read_text())
        return chain

    def _authority(self, name: str, by: str | None, more: str) -> Path:
        key, request = self.folder / f"{name}.key", self.folder / f"{name}.csr"
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-nodes")
        openssl(
            "req", "-new", *curve, "-keyout", key, "-out", request, "-subj", f"/O=Hospital trust/CN={name}"
        )
        return self._signed(request, name, by, _CA.format(more), "3650", None)

    def _signed(
        self, request: Path, name: str, by: str | None, extensions: str, days: str, subject: str | None
    ) -> Path:
        out, rules = self.folder / f"{name}.pem", self.folder / f"{name}.ext"
        rules.write_text(extensions + ("subjectKeyIdentifier=hash\n" if by is None else _KEY_IDS))
        signer: tuple[str | Path, ...] = ("-signkey", self.folder / f"{name}.key")
        if by is not None:
            signer = (
                "-CA",
                self.folder / f"{by}.pem",
                "-CAkey",
                self.folder / f"{by}.key",
                "-CAcreateserial",
            )
        more = () if subject is None else ("-subj", subject)
        openssl("x509", "-req", "-in", request, *signer, *more, "-days", days, "-extfile", rules, "-out", out)
        return out
