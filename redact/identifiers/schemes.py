"""Coding schemes whose codes mean the same everywhere, so that a code of theirs names nobody."""

# Of PS3.16 Table 8-1 those that images, plans and reports really use; any other may be a site's own.
_DESIGNATORS = """
DCM SCT SRT SNM3 SNM 99SDM UCUM LN FMA RADLEX NCIt MDC BI BARI IBSI NEU UMLS MSH RXNORM I10 I10P I9C I9 C4 C5
CD2 HL7 NDC PUBCHEM_CID ITIS_TSN ISO3166_1 ISO639_1 ISO639_2 RFC3066 RFC5646 ACR IUPAC NCDR
"""
PUBLIC_SCHEMES = frozenset(_DESIGNATORS.split())


def is_public(scheme: str) -> bool:
    """Whether a Coding Scheme Designator (0008,0102) is one of the public schemes."""
    return scheme.strip(" \0") in PUBLIC_SCHEMES
