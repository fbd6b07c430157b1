"""A letter as PDF (text in a compressed stream, names in its metadata) and as CDA, made by hand."""

import zlib
from xml.sax.saxutils import escape

from tests.hostile.people import Patient


def pdf(patient: Patient) -> bytes:
    """A one-page PDF 1.4 whose text names the patient; ASCII only, hence the number and the town."""
    lines = (
        f"Patient {patient.patient_id}",
        f"Dr {patient.referrer.split('^')[0]}",
        patient.hospital,
        patient.street,
    )
    shown = " T* ".join(f"({line}) Tj" for line in lines)
    stream = zlib.compress(f"BT /F1 12 Tf 14 TL 72 700 Td {shown} ET".encode())
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        b" /Resources << /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> >> >> >>",
        b"<< /Length %d /Filter /FlateDecode >>\nstream\n" % len(stream) + stream + b"\nendstream",
        f"<< /Title (Letter for {patient.patient_id}) /Author ({patient.referrer.split('^')[0]}) >>".encode(),
    )
    body, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n" % number + content + b"\nendobj\n"
    table = b"xref\n0 6\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % at for at in offsets)
    return (
        body + table + b"trailer << /Size 6 /Root 1 0 R /Info 5 0 R >>\nstartxref\n%d\n%%%%EOF\n" % len(body)
    )


def cda(patient: Patient) -> bytes:
    """A CDA document (HL7 V3) about the patient."""
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ClinicalDocument xmlns="urn:hl7-org:v3">'
        "<recordTarget><patientRole>"
        f'<id extension="{patient.patient_id}" root="1.2.3.4"/>'
        f"<addr>{escape(patient.street)}, {patient.town}</addr>"
        f"<patient><name><family>{escape(patient.name.family)}</family>"
        f"<given>{escape(patient.name.given)}</given></name>"
        f'<birthTime value="{patient.born:%Y%m%d}"/></patient></patientRole></recordTarget>'
        f"<component><section><text>Seen at {patient.hospital} for {escape(patient.name.family)}."
        "</text></section></component></ClinicalDocument>\n"
    )
    return text.encode()
