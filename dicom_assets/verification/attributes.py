"""Are attributes left in a de-identified file that no profile leaves, whatever their values are?"""

from __future__ import annotations

from collections.abc import Callable

from pydicom.datadict import keyword_for_tag

from dicom_assets.verification.identifiers import BIRTH_DATES
from dicom_assets.verification.method import RETAIN_INSTITUTION_IDENTITY, RETAIN_SAFE_PRIVATE, method_codes
from dicom_assets.verification.reading import Instance, elements_of, place_of, values_of

# Read from PS3.15 Table E.1-1 and E.1.1: the Basic Profile removes them and no option keeps them, but the one named.
_ALWAYS_REMOVED = """
    PatientBirthTime IssuerOfPatientID OtherPatientIDs OtherPatientIDsSequence OtherPatientNames PatientBirthName
    PatientMotherBirthName PatientAddress PatientTelephoneNumbers PatientTelecomInformation MilitaryRank
    CountryOfResidence RegionOfResidence MedicalRecordLocator InsurancePlanIdentification
    PatientInsurancePlanCodeSequence PatientReligiousPreference ResponsiblePerson ReferencedPatientPhotoSequence
    ReferencedPatientAliasSequence AdmissionID IssuerOfAdmissionID ServiceEpisodeID CurrentPatientLocation
    PatientInstitutionResidence ReferringPhysicianAddress ReferringPhysicianTelephoneNumbers
    ReferringPhysicianIdentificationSequence PersonAddress PersonTelephoneNumbers PersonTelecomInformation
    PerformingPhysicianName NameOfPhysiciansReadingStudy PhysiciansOfRecord RequestingPhysician
    ScheduledPerformingPhysicianName OrderEnteredBy OrderCallbackPhoneNumber OrderCallbackTelecomInformation
    InstitutionAddress OriginalAttributesSequence EncryptedAttributesSequence DigitalSignaturesSequence
"""
ALWAYS_REMOVED = frozenset(_ALWAYS_REMOVED.split())
KEPT_BY_OPTION = {"InstitutionAddress": RETAIN_INSTITUTION_IDENTITY}

Find = Callable[[str, str], None]
"""Takes a rule and a place."""


def check_attributes(dest: Instance, find: Find) -> None:
    """Find attributes with a value that the Basic Profile removes, whatever the value is, and private ones."""
    codes = method_codes(dest.ds)
    for element in elements_of(dest.ds):
        if not values_of(element):
            continue
        if element.tag in BIRTH_DATES:
            find("Patient's Birth Date has a value", place_of(element.path))
        removed = ALWAYS_REMOVED.intersection(keyword_for_tag(tag) for tag, _ in element.path)
        if any(KEPT_BY_OPTION.get(keyword) not in codes for keyword in removed):
            find("the Basic Profile removes it", place_of(element.path))
        if RETAIN_SAFE_PRIVATE not in codes and any(tag >> 16 & 1 for tag, _ in element.path):
            find("a private attribute, and no option that retains it", place_of(element.path))
