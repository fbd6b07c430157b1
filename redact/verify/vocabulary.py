"""Words that occur in any hospital's images and therefore name no one by standing alone.

A patient may be called HEAD, LONG or PRIMARY. Finding such a word in a description shows nothing, so one of
these words is no failure when it stands alone outside a person name; together with another part of the same
name it is. The list is kept apart from the cleaner's on purpose: the proof must not inherit its mistakes.
"""

from functools import lru_cache

from pydicom._dicom_dict import DicomDictionary

_MODALITIES = """
cr ct dsa dx ecg es io ko mg mr mri nm op ot pet pr pt px rf rtdose rtplan rtstruct sc seg sm sr us xa xc
"""

_ANATOMY = """
abdomen abdominal adrenal ankle anterior aorta aortic apex arm artery axial axilla back bilateral bladder
body bone bowel brachial brain breast bronchus cardiac carotid cervical chest clavicle coccyx colon coronal
coronary cranial cranium ear elbow esophagus extremity eye face facial femoral femur finger foot forearm
gallbladder hand head heart heel hepatic hip humerus iliac inferior jaw joint kidney knee lateral left
leftward leg liver lower lumbar lung lungs mandible maxilla medial mediastinum middle neck nose oblique
orbit ovary pancreas pelvic pelvis posterior prostate pulmonary radius renal rib ribs right sacrum sagittal
scapula shoulder sinus skull soft spinal spine spleen sternum stomach subclavian superior temporal thigh
thoracic thorax throat thumb thyroid tibia tissue toe tongue trachea upper ureter urinary uterus vascular
vein venous ventricle vessel whole wholebody wrist
"""

_TECHNIQUE = """
abdomenpelvis ac acquired acquisition adc angio angiography arterial asl asset attenuation auto average
axial axials b b0 b1000 b500 black blade bold bolus bone1 breath breathhold bssfp calibration cbct ce cemra
chestabdomen chestabdpelvis cine clean clinical coil cold collimation color colour combined compressed
contrast cor coronal corrected correction cspine cta ctp ctpa cube curve data default delay delayed derived
dess detector diffusion dixon dose dti dual dwi dynamic early ecg echo emission enhanced epi epi2d error
exam examination excitation exposure fa fast fat fdg feet field fiesta filter final first fisp fl2d fl3d
flair flash flip flow fluoro fmri fov frame free fse fspgr full gantry gradient grase gre hands hard haste
headneck helical high hips hrct image images imaging in interleaved inversion iodine isotropic jpeg kernel
knees late lateral lava legs loc localiser localizer long lossless lossy low lspine map mask max maximum md
mean measured median medic medium min minimum mip mip3d mono mosaic motion mpr mprage mra mrcp mrs mrv
multiphase nac native neckhead no noise none normal number oblique off on ord original other out parallel
part pasl pcasl pdw perfusion phantom phase plain plane portal position post pre primary processed profile
projection prone propeller protocol proton quality ramp raw real recon reconstruction reduced reference
reformat reformats report rest result rle routine sag saturation scan scanner scout screening se2d secondary
sequence sequential series series1 shim short signal single slice slices slow smooth space spair spgr spin
spiral spoiled ssfp standard static stir stress study subtraction supine surface survey suv swan swi t1 t1w
t2 t2star t2w tb test tfl thick thicks thin thins thoraxabdomen thorough three thrive time tirm tof topogram
total tra trace tracew transverse trigger true truefisp trufi tse tspine turbo twist two uncorrected
unenhanced uptake vibe view vista vol volume volumes water weighted white whole window with without work
young zero zoom
"""

_INSTITUTIONS = """
academic al ambulatory and associate associates care center central centre centro city clinic clinica
clinical clinics clinique college community county das de department dept der des deutsches diagnostic
diagnostics die dr du east eastern el emergency for foundation general group health healthcare hopital
hospital hospitals imaging institut institute institution international klinik klinikum krankenhaus la
laboratory le les main md medical medicine memorial mr mrs ms national north northern nuclear of outpatient
partners people phd practice praxis private prof public radiologia radiologie radiology regional research
room royal saint san santa school science sciences service services sir site south southern specialist state
station street system systems the town trust unit united universidad universitaet universitario universite
university van von ward west western women womens
"""

_MAKERS = """
acuson agfa aloka amicas barco bruker canon carestream cerner dcmtk dicom eastman electric elekta elscint
esaote fuji fujifilm ge gems general healthineers highdicom hitachi hologic horos images imatron kodak
konica kretz lockgate marconi medrad mevis minolta nucletron offis osirix philips picker pydicom qiicr sectra
shimadzu siemens tomtec toshiba united varian vital watson workstation ziehm
"""

_NOBODY = """
anon anonymised anonymized anonymous blank de-identified deidentified dummy empty n/a na name no none null
patient phantom redacted removed subject test unknown
"""

_VALUES = """
a adult anonymised anonymized anonymous application basic child confidentiality content dates deidentified
demo descriptors doctor empty example f female graphics id identified identifier infant information
longitudinal m male modified n name no none null o operator option options patient person phantom physician
removed replaced retain sample structured subject temporal test undefined unknown unmodified unspecified
user y yes
"""


@lru_cache(maxsize=1)
def common_words() -> frozenset[str]:
    """Case-folded words that name no one: of PS3.6, anatomy, technique, makers, buildings."""
    listed = f"{_MODALITIES} {_ANATOMY} {_TECHNIQUE} {_INSTITUTIONS} {_MAKERS} {_VALUES}".split()
    dictionary = (word for entry in DicomDictionary.values() for word in _words(entry[2]))
    return frozenset(listed).union(dictionary)


def _words(name: str) -> list[str]:
    return "".join(character if character.isalpha() else " " for character in name).casefold().split()


# What stands behind the name of a person.
DEGREES = frozenset({"md", "phd", "frcr", "facr", "do"})

# A value that stands for "nobody" identifies nobody; the cleaner may well write one of these itself.
PLACEHOLDERS = frozenset(_NOBODY.split())
