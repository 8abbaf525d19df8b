"""Files as odd writers, broken disks and attackers leave them, each with what has to come of it."""

from __future__ import annotations

import zlib

from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from dicom_assets.deidentification.encoded import IMPLICIT_LITTLE
from dicom_assets.study import QuarantineReason as Reason
from dicom_assets_tests.deidentification.odd_contents import CHARACTER_SETS, PIXELS, SEQUENCES
from dicom_assets_tests.deidentification.odd_elements import (
    CT,
    JPEG,
    MALFORMED,
    MAY_BE_EMPTY,
    NAMED,
    PRIVATE,
    REFERENCE,
    REFERENCES,
    UID,
    UNREADABLE,
    Odd,
    a_file,
    a_zip,
    as_big,
    as_explicit,
    as_implicit,
    changed,
    deflated,
    encapsulated,
    encoded,
    fragments,
    item,
    meta,
    one,
    sequence,
    the_elements,
)

FORMS: dict[str, Odd] = {
    "plain": Odd(changed),
    "no preamble": Odd(lambda: changed()[132:]),
    "preamble without meta": Odd(lambda: bytes(128) + b"DICM" + as_explicit()),
    "no meta, explicit": Odd(as_explicit),
    "no meta, implicit": Odd(as_implicit),
    "no meta, big endian": Odd(as_big),
    "big endian": Odd(lambda: a_file(as_big(), ExplicitVRBigEndian)),
    "implicit": Odd(lambda: a_file(as_implicit(), ImplicitVRLittleEndian)),
    "deflated": Odd(lambda: a_file(deflated(as_explicit()), DeflatedExplicitVRLittleEndian)),
    "deflated, odd length": Odd(lambda: a_file(deflated(as_explicit()) + b"\0", DeflatedExplicitVRLittleEndian)),
    "deflated, cut": Odd(lambda: a_file(deflated(as_explicit())[:-9], DeflatedExplicitVRLittleEndian), UNREADABLE),
    "deflated with a header": Odd(
        lambda: a_file(zlib.compress(as_explicit()), DeflatedExplicitVRLittleEndian), UNREADABLE
    ),
    "declared deflated, is not": Odd(lambda: a_file(as_explicit(), DeflatedExplicitVRLittleEndian), UNREADABLE),
    "meta in implicit VR": Odd(
        lambda: bytes(128) + b"DICM" + meta(ExplicitVRLittleEndian, IMPLICIT_LITTLE) + as_explicit()
    ),
    "meta length too short": Odd(lambda: bytes(128) + b"DICM" + meta(ExplicitVRLittleEndian, length=3) + as_explicit()),
    "meta length too long": Odd(
        lambda: bytes(128) + b"DICM" + meta(ExplicitVRLittleEndian, length=999) + as_explicit()
    ),
    "declared explicit, is implicit": Odd(lambda: a_file(as_implicit())),
    "declared implicit, is explicit": Odd(lambda: a_file(as_explicit(), ImplicitVRLittleEndian)),
    "declared big, is little endian": Odd(lambda: a_file(as_explicit(), ExplicitVRBigEndian), MALFORMED),
    "declared little, is big endian": Odd(lambda: a_file(as_big()), MALFORMED),
    "declared native, is encapsulated": Odd(lambda: encapsulated(fragments(JPEG), ExplicitVRLittleEndian), MALFORMED),
    "declared encapsulated, is native": Odd(lambda: a_file(as_explicit(), JPEGBaseline8Bit), MALFORMED),
    "declared encapsulated, is implicit": Odd(lambda: a_file(as_implicit(), JPEGBaseline8Bit), UNREADABLE),
    "unknown transfer syntax": Odd(lambda: a_file(as_explicit(), "1.2.3.4"), UNREADABLE),
    "empty transfer syntax": Odd(lambda: a_file(as_explicit(), "")),
    "zeros at the end": Odd(lambda: changed() + bytes(333)),
    "data set trailing padding": Odd(lambda: changed() + one(0xFFFCFFFC, "OB", b"Zweistein")),
    "text at the end": Odd(lambda: changed() + b"Zweistein^Albertine was here", MALFORMED),
    "garbage at the end": Odd(lambda: changed() + bytes(range(1, 90)), MALFORMED),
    "another file at the end": Odd(lambda: changed() + changed(), MALFORMED),
    "empty": Odd(lambda: b"", UNREADABLE),
    "text": Odd(lambda: b"Zweistein, Albertine\n" * 20, UNREADABLE),
    "zeros": Odd(lambda: bytes(4096), UNREADABLE),
    "PDF": Odd(lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Author (Zweistein) >>\n", UNREADABLE),
    "zip": Odd(a_zip, UNREADABLE),
    "DICOMDIR": Odd(
        lambda: a_file(
            one(0x00041130, "CS", b"ZWEISTEIN")
            + one(0x00041200, "UL", bytes(4))
            + sequence(0x00041220, [item(one(0x00041430, "CS", b"PATIENT") + one(0x00100010, "PN", b"Zweistein"))])
        ),
        MALFORMED,
    ),
    "only a preamble": Odd(lambda: bytes(128) + b"DICM", UNREADABLE),
    "only meta": Odd(lambda: bytes(128) + b"DICM" + meta(ExplicitVRLittleEndian), MALFORMED),
}

VALUES: dict[str, Odd] = {
    "text in DS": Odd(lambda: changed(t00180050=("DS", b"Zweistein"))),
    "a date in DS": Odd(lambda: changed(t00180050=("DS", b"1937-09-11"))),
    "digits and minuses in IS": Odd(lambda: changed(t00200013=("IS", b"47-11-08-15"))),
    "a name in US": Odd(lambda: changed(t00280106=("US", b"Zweistein!")), Reason.RESIDUAL_IDENTIFIER),
    "an odd number of bytes in US": Odd(lambda: changed(one(0x00081197, "US", b"abc", length=3))),
    "five bytes in FL": Odd(lambda: changed(t00189073=("FD", b"abcde"))),
    "PN as UN": Odd(lambda: changed(t00100010=("UN", b"Zweistein^Albertine"), t00081048=("UN", b"Zweistein"))),
    "PN as OB": Odd(lambda: changed(t00100010=("OB", b"Zweistein^Albertine"), t00081048=("OB", b"Zweistein"))),
    "PN as SQ": Odd(lambda: changed(sequence(0x00081048, [item(NAMED)]))),
    "DA as LO": Odd(lambda: changed(t00080020=("LO", b"19370911"), t00080022=("UN", b"19370911"))),
    "UI as LO": Odd(lambda: changed(t00080018=("LO", b"1.2.826.0.1.99.1.1.1"), t00200052=("UN", UID))),
    "a number as UI": Odd(lambda: changed(t00189073=("UI", UID), t00180050=("UI", UID))),
    "LO as UT": Odd(lambda: changed(t00080070=("UT", b"Maker of Scanners"))),
    "a known tag as UN": Odd(lambda: changed(t00180015=("UN", b"CHEST"))),
    "unknown VR": Odd(lambda: changed(t00080070=("ZZ", b"Zweistein")), MALFORMED),
    "lower case VR": Odd(lambda: changed(t00080070=("lo", b"Zweistein")), MALFORMED),
    "odd lengths": Odd(
        lambda: changed(one(0x00080080, "LO", b"Zweistein", length=9), one(0x00081010, "SH", b"x", length=1))
    ),
    "odd length of a kept value": Odd(
        lambda: changed(one(0x00080090, "PN", b"Zwe", length=3), t00180015=("CS", b"EAR"))
    ),
    "tags in no order": Odd(
        lambda: a_file(b"".join(one(tag, *value) for tag, value in reversed(the_elements().items())))
    ),
    "a tag twice": Odd(lambda: changed(one(0x00080070, "LO", b"Other")), MALFORMED),
    "a name twice": Odd(lambda: changed(one(0x00100010, "PN", b"Zweistein")), MALFORMED),
    "a private tag twice": Odd(lambda: changed(one(PRIVATE, "LO", b"Zweistein"), one(PRIVATE, "LO", b"Albertine"))),
    "a text of 1 MB": Odd(lambda: changed(t00104000=("UT", b"Zweistein " * 100_000))),
    "a kept UT of 1 MB": Odd(lambda: changed(t00281080=("UT", b"Zweistein " * 100_000))),
    "LO of 70,000 bytes, implicit": Odd(
        lambda: a_file(as_implicit(the_elements(t00080070=("LO", b"x" * 70_000))), ImplicitVRLittleEndian),
        kept_oddly=True,
    ),
    "LO of 70,000 bytes with a name, implicit": Odd(
        lambda: a_file(
            as_implicit(the_elements(t00080070=("LO", b"x" * 70_000 + b"Zweistein"))), ImplicitVRLittleEndian
        ),
        Reason.RESIDUAL_IDENTIFIER,
    ),
    "LO of 70,000 bytes, without VR in explicit": Odd(
        lambda: changed(one(0x00080070, "", b"x" * 70_000, IMPLICIT_LITTLE), t00080070=None), Reason.UNWRITABLE_VALUE
    ),
    "an element without VR in explicit": Odd(
        lambda: changed(one(0x00080070, "", b"Maker", IMPLICIT_LITTLE), t00080070=None)
    ),
    "4 GB declared": Odd(lambda: changed(one(0x00081080, "UT", b"Zweistein", length=0xFFFFFFFE)), MALFORMED),
    "4 GB of pixels declared": Odd(
        lambda: a_file(encoded(the_elements(t7FE00010=None)) + one(0x7FE00010, "OW", bytes(12), length=0xFFFFFFFE)),
        MALFORMED,
    ),
    "everything empty": Odd(
        lambda: a_file(encoded({tag: (vr, b"") for tag, (vr, _) in the_elements().items()})), MALFORMED
    ),
    "everything empty that may be": Odd(
        lambda: changed(
            one(0x00080005, "CS", b""),
            one(0x00080008, "CS", b""),
            sequence(REFERENCES, []),
            sequence(0x00081110, [item(b"")]),
            **{f"t{tag:08X}": (vr, b"") for tag, (vr, _) in the_elements().items() if tag in MAY_BE_EMPTY},
        )
    ),
    "group lengths": Odd(lambda: changed(one(0x00080000, "UL", b"ZWEI"), one(0x00091234, "UL", bytes(4)))),
    "command elements in the data set": Odd(
        lambda: changed(one(0x00000900, "US", bytes(2)), one(0x00001000, "UI", UID))
    ),
    "command elements before the data set": Odd(
        lambda: a_file(
            one(0x00000002, "UI", CT, IMPLICIT_LITTLE) + one(0x00001000, "UI", UID, IMPLICIT_LITTLE) + as_explicit()
        )
    ),
    "meta elements in the data set": Odd(
        lambda: changed(one(0x00020016, "AE", b"ZWEISTEIN"), one(0x00020003, "UI", UID))
    ),
    "meta elements at depth": Odd(
        lambda: changed(sequence(REFERENCES, [item(one(0x00020003, "UI", UID) + REFERENCE)]))
    ),
    "delimiter in the data set": Odd(lambda: changed(one(0xFFFEE00D, "", b"")), MALFORMED),
    "invalid dates and times": Odd(
        lambda: changed(
            t00080020=("DA", b"11.09.1937"),
            t00080030=("TM", b"Zweistein"),
            t0008002A=("DT", b"1937-09-11T12"),
            t00100030=("DA", b"19370230"),
            t00080023=("DA", b"Albertine"),
        )
    ),
    "class UID missing": Odd(lambda: changed(t00080016=None), MALFORMED),
    "instance UID missing": Odd(lambda: changed(t00080018=None), MALFORMED),
    "study UID empty": Odd(lambda: changed(t0020000D=("UI", b"")), MALFORMED),
    "series UID of padding": Odd(lambda: changed(t0020000E=("UI", b"\0 ")), MALFORMED),
    "study UID of two values": Odd(lambda: changed(t0020000D=("UI", UID + b"\\" + UID)), MALFORMED),
    "instance UID with leading zeros": Odd(lambda: changed(t00080018=("UI", b"1.2.826.0.1.99.1.001"))),
    "instance UID with letters": Odd(lambda: changed(t00080018=("UI", b"Zweistein.1.2"))),
    "instance UID with trailing space": Odd(lambda: changed(t00080018=("UI", UID + b"  "))),
    "instance UID with trailing NULs": Odd(lambda: changed(t00080018=("UI", UID + b"\0\0"))),
    "instance UID of 70 characters": Odd(lambda: changed(t00080018=("UI", b"1.2." + b"3" * 66)), MALFORMED),
    "instance UID with a control character": Odd(lambda: changed(t00080018=("UI", b"1.2\n3")), MALFORMED),
    "class UID with letters": Odd(lambda: changed(t00080016=("UI", b"Zweistein")), MALFORMED),
    "several UIDs, one empty": Odd(lambda: changed(t00200052=("UI", UID + b"\\\\1.2.840.10008.1.2"))),
}

ODDITIES = FORMS | VALUES | CHARACTER_SETS | SEQUENCES | PIXELS
