"""Messages that carry certificates or requests for one in, remarks about text that is no PEM out. Rule ISO-009."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Any, Final

from ocpp_inspect.engine import Monitor, Remark

FIELDS: Final = {
    "InstallCertificate": "certificate",
    "CertificateSigned": "certificateChain",
    "SignCertificate": "csr",
    "Authorize": "certificate",
    "SignedUpdateFirmware": "signingCertificate",
    "UpdateFirmware": "signingCertificate",
}
CERTIFICATE: Final = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
REQUEST: Final = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")
BEGIN: Final = "-----BEGIN "


def fault_of(text: str, labels: tuple[str, ...]) -> str:
    """Why the text holds no PEM block of one of these labels (RFC 7468); empty when it does."""
    label, begin = next(
        ((each, found) for each in labels if (found := text.find(f"{BEGIN}{each}-----")) >= 0), ("", -1)
    )
    if begin < 0:
        if BEGIN in text:
            return f"holds a block, and none of {labels[0]}"
        return "is DER in base64, without the lines BEGIN and END" if is_der(text) else "has no line BEGIN"
    inside = text.partition(f"{BEGIN}{label}-----")[2]
    end = inside.find(f"-----END {label}-----")
    if end < 0:
        return "has no line END"
    if "\\n" in inside[:end]:
        return "has a backslash and an n where lines end"
    if text.count(f"{BEGIN}{label}-----") > text.count(f"-----END {label}-----"):
        return "has a further block without its line END"
    return "" if is_der(inside[:end]) else "has something else than DER in base64 between BEGIN and END"


def is_der(text: str) -> bool:
    """Whether it is base64 of an ASN.1 sequence."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)[:1] == b"0"  # 0x30: SEQUENCE
    except (binascii.Error, ValueError):
        return False


class NoPem(Monitor):
    """One remark a message at most."""

    def feed(self, item: Any) -> Iterable[Remark]:
        """Look at the field that this action carries, also inside `firmware`."""
        name, holder = FIELDS.get(item.action, ""), item.payload
        if isinstance(holder, dict) and name == "signingCertificate":
            holder = holder.get("firmware")
        text = holder.get(name) if isinstance(holder, dict) else None
        if not isinstance(text, str):
            return ()
        fault = fault_of(text, REQUEST if name == "csr" else CERTIFICATE) if text else "is empty"
        return (Remark(item, f"{name} of {item.action} {fault}"),) if fault else ()
