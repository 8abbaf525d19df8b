"""SOP Classes as profiles name them."""

from __future__ import annotations

import yaml

from dicom_assets.deidentification.profile_fields import Fields
from dicom_assets.deidentification.uids import is_well_formed


def sop_class_of(fields: Fields, name: str, text: str, node: yaml.Node) -> str:
    """The UID of a SOP Class that is given by its UID or by its keyword in PS3.6.

    Raises:
        ProfileError: it is neither.
    """
    from pydicom import uid

    if is_well_formed(text):
        return text
    known = getattr(uid, text, None)
    if not isinstance(known, uid.UID) or known.type != "SOP Class":
        raise fields.error(name, "names a SOP Class by neither its UID nor its keyword in PS3.6", node)
    return str(known)
