"""What one look at an instance's header tells: whose it is, and to which study and series it belongs."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Glance:
    """The few header values that acceptance and indexing need; "" where one is absent.

    The repr shows nothing that could name a patient.

    Attributes:
        sop_class_uid: (0008,0016) of the data set, as data: it may be no valid UID and is never a path.
        sop_instance_uid: (0008,0018) of the data set, likewise.
        transfer_syntax_uid: Of the data set, as found (`exchange.dicomio.layout.FileLayout`).
        study_instance_uid: First value of (0020,000D).
        series_instance_uid: First value of (0020,000E).
        modality: (0008,0060).
        patient_id: (0010,0020) as text, several values joined by a backslash.
        issuer_of_patient_id: (0010,0021), likewise.
    """

    sop_class_uid: str
    sop_instance_uid: str = field(repr=False)
    transfer_syntax_uid: str
    study_instance_uid: str = field(repr=False)
    series_instance_uid: str = field(repr=False)
    modality: str
    patient_id: str = field(repr=False)
    issuer_of_patient_id: str = field(repr=False)
