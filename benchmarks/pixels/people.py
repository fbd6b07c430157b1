"""Made-up people and the lines of text that devices burn in about them, in ten scripts."""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from tests.hostile.chance import Chance


class Script(StrEnum):
    """What a line is written in; `vertical` is Han or kana from top to bottom."""

    LATIN = "Latin"
    DIACRITICS = "diacritics"
    GREEK = "Greek"
    CYRILLIC = "Cyrillic"
    HAN = "Han"
    KANA = "kana"
    HANGUL = "Hangul"
    ARABIC = "Arabic"
    HEBREW = "Hebrew"
    VERTICAL = "vertical"


@dataclass(frozen=True, slots=True)
class Words:
    """Family and given names, hospitals, and what stands before a name."""

    families: tuple[str, ...]
    given: tuple[str, ...]
    hospitals: tuple[str, ...]
    patient: str


_HAN = Words(
    ("长孙", "欧阳", "王", "李", "陈", "黒澤", "佐藤", "渡邉", "司马"),
    ("梦琪海", "小明", "淑芬", "建国", "晴信", "美咲", "志明", "玉兰"),
    ("北京协和医院", "东京大学医学部", "第一人民医院", "中央病院"),
    "患者",
)
_KANA = Words(
    ("くろさわだに", "さとう", "ワタナベ", "タカハシ", "やまもと", "スズキ"),
    ("はるのぶ", "みさき", "ケンジ", "ハナコ", "ゆうた", "サクラ"),
    ("さくらクリニック", "みなとセンター", "ひまわり"),
    "カンジャ",
)
WORDS: dict[Script, Words] = {
    Script.LATIN: Words(
        ("Youngblood", "Quillfeather", "Smith", "Doe", "Ballantrae", "Ng", "Garcia", "Kowalski", "Li"),
        ("Summer", "Ottoline", "Jane", "John", "Fionnuala", "Wei", "Maria", "Jan", "Chidi", "Ava"),
        ("Saint Odile Hospital", "General Hospital", "Farrowmere Clinic", "UNIV MED CTR", "Oakenshaw X-Ray"),
        "Patient:",
    ),
    Script.DIACRITICS: Words(
        ("Müllenbrück", "Świętosławski", "Nuñez", "Åkesson", "Dvořák", "Şahin", "Nguyễn", "Lefèvre", "Őszi"),
        ("Jürgen", "Żegota", "José", "Göran", "Jiří", "Çağla", "Thị Hà", "Hélène", "Zsófia"),
        ("Klinikum Köln", "Hôpital Saint-Élie", "Szpital Łódź", "Nemocnice Plzeň"),
        "Patient/Größe:",
    ),
    Script.GREEK: Words(
        ("Παπασταύρου", "Δημητρίου", "Οικονόμου", "Ξανθόπουλος"),
        ("Ευστάθιος", "Μαρία", "Γεώργιος", "Χρυσάνθη"),
        ("Νοσοκομείο Αθηνών", "Γενική Κλινική"),
        "Ασθενής:",
    ),
    Script.CYRILLIC: Words(
        ("Люксембургов", "Иванова", "Шевченко", "Ђорђевић", "Щукин"),
        ("Аристарх", "Наталья", "Богдан", "Милица", "Юлия"),
        ("Городская больница", "Клиника №5", "Медицинский центр"),
        "Пациент:",
    ),
    Script.HAN: _HAN,
    Script.KANA: _KANA,
    Script.HANGUL: Words(
        ("남궁민", "김", "이", "박", "최"),
        ("서영주", "민준", "서연", "지훈", "하은"),
        ("서울대학교병원", "부산의료원"),
        "환자:",
    ),
    Script.ARABIC: Words(
        ("القبانجي", "العلي", "حسين", "المصري"),
        ("نزارالدين", "فاطمة", "محمد", "ليلى"),
        ("مستشفى الملك", "المركز الطبي"),
        "المريض",
    ),
    Script.HEBREW: Words(
        ("שרוןסקי", "כהן", "לוי", "מזרחי"),
        ("דבורהלה", "משה", "רבקה", "יעקב"),
        ("בית חולים", "מרכז רפואי"),
        "מטופל",
    ),
    Script.VERTICAL: _HAN,
}  # fmt: skip
_ONLY_TEXT = frozenset({Script.ARABIC, Script.HEBREW, Script.VERTICAL})  # no digits beside it


@dataclass(frozen=True, slots=True)
class Person:
    """A patient as the header knows them, and the numbers that belong to them."""

    family: str
    given: str
    patient_id: str
    accession: str
    born: date
    study_day: date
    phone: str
    hospital: str
    referrer: str

    @property
    def patient_name(self) -> str:
        """As in PatientName."""
        return f"{self.family}^{self.given}"


def person(chance: Chance) -> Person:
    """A person by chance."""
    latin = WORDS[Script.LATIN]
    return Person(
        family=chance.choice(latin.families),
        given=chance.choice(latin.given),
        patient_id=chance.choice(("", "MRN", "PX-")) + str(chance.randrange(1_000_00, 99_999_999)),
        accession=f"AC{chance.randrange(10_000, 9_999_999)}",
        born=date(1925, 3, 1) + timedelta(chance.randrange(33_000)),
        study_day=date(2015, 2, 1) + timedelta(chance.randrange(3_900)),
        phone=f"+44 {chance.randrange(20, 99)} {chance.randrange(7900, 9900)} {chance.randrange(1000, 9999)}",
        hospital=chance.choice(latin.hospitals),
        referrer=chance.choice(latin.families),
    )


def line(chance: Chance, who: Person, script: Script) -> tuple[str, str]:
    """What the line tells (`name`, `number`, `date`, `place`, `phone`) and its text."""
    if script is Script.LATIN:
        return chance.choice(_latin(chance, who))
    words = WORDS[script]
    family, given = chance.choice(words.families), chance.choice(words.given)
    place = chance.choice(words.hospitals)
    if script in _ONLY_TEXT:
        return chance.choice(
            (("name", family + " " + given), ("name", words.patient + " " + family), ("place", place))
        )
    return chance.choice((
        ("name", f"{family} {given}"),
        ("name", f"{words.patient} {family}"),
        ("name", f"{family} {given} {_day(chance, who.born)}"),
        ("place", place),
    ))  # fmt: skip


def _latin(chance: Chance, who: Person) -> tuple[tuple[str, str], ...]:
    clock = f"{chance.randrange(24):02}:{chance.randrange(60):02}:{chance.randrange(60):02}"
    name = chance.choice((
        who.patient_name.upper(), f"{who.family}, {who.given}", f"{who.given} {who.family}",
        f"{who.family.upper()} {who.given[0]}.", f"Name: {who.family}",
    ))  # fmt: skip
    number = chance.choice(
        (who.patient_id, f"MRN {who.patient_id}", f"ID: {who.patient_id}", f"#{who.patient_id}")
    )
    return (
        ("name", name),
        ("name", f"{name} {_day(chance, who.born)}"),
        ("number", number),
        ("number", f"Acc {who.accession}"),
        ("date", f"DOB {_day(chance, who.born)}"),
        ("date", f"{_day(chance, who.study_day)} {clock}"),
        ("place", who.hospital),
        ("place", who.hospital.upper()),
        ("name", f"Dr. {who.referrer}"),
        ("phone", f"Tel {who.phone}"),
    )


def _day(chance: Chance, day: date) -> str:
    return chance.choice(
        (f"{day:%Y-%m-%d}", f"{day:%d.%m.%Y}", f"{day:%m/%d/%Y}", f"{day:%d-%b-%Y}", f"{day:%Y%m%d}")
    )
