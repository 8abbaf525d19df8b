"""Odd character sets, sequences and pixels, each with what has to come of it."""

from __future__ import annotations

import struct

from dicom_assets.deidentification.encoded import IMPLICIT_LITTLE
from dicom_assets.study import QuarantineReason as Reason
from dicom_assets_tests.deidentification.odd_elements import (
    JPEG,
    MALFORMED,
    NAMED,
    PRIVATE,
    REFERENCE,
    REFERENCES,
    UID,
    UNDEFINED,
    Odd,
    a_file,
    changed,
    charset,
    encapsulated,
    encoded,
    fragments,
    item,
    nested,
    one,
    sequence,
    the_elements,
    u16,
)

CHARACTER_SETS: dict[str, Odd] = {
    "Japanese": Odd(
        lambda: charset(b"\\ISO 2022 IR 87", "Zweistein^Taro=山田^太郎=やまだ^たろう", "iso2022_jp", "製作所")
    ),
    "Japanese of JIS X 0201": Odd(
        lambda: charset(
            b"ISO 2022 IR 13\\ISO 2022 IR 87", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J"
        )
    ),
    "Korean": Odd(lambda: charset(b"\\ISO 2022 IR 149", b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7")),
    "Chinese, GB18030": Odd(lambda: charset(b"GB18030", "Wang^XiaoDong=王^小东", "gb18030", "公司")),
    "Chinese, GBK": Odd(lambda: charset(b"GBK", "Wang^XiaoDong=王^小东", "gbk", "公司")),
    "Chinese, ISO 2022 IR 58": Odd(
        lambda: charset(b"\\ISO 2022 IR 58", b"Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=")
    ),
    "UTF-8": Odd(lambda: charset(b"ISO_IR 192", "Wang^XiaoDong=王^小东", "utf-8", "公司 Größe")),
    "Cyrillic": Odd(lambda: charset(b"ISO_IR 144", "Люкceмбypг", "iso8859_5", "Завод")),
    "UTF-8 under ISO_IR 100": Odd(lambda: charset(b"ISO_IR 100", "Müßiggang^Zoë", "utf-8", "Größe")),
    "Latin-1 under UTF-8": Odd(lambda: charset(b"ISO_IR 192", "Müßiggang^Zoë", "latin-1", "Größe"), kept_oddly=True),
    "Latin-1 without a character set": Odd(lambda: charset(b"", "Müßiggang^Zoë", "latin-1", "Größe")),
    "unknown character set": Odd(lambda: charset(b"ZWEISTEIN 7", "Müßiggang^Zoë", "utf-8", "Größe")),
    "misspelt character set": Odd(lambda: charset(b"ISO-IR 192", "Müßiggang^Zoë", "utf-8", "Größe")),
    "escapes without a character set": Odd(lambda: charset(b"", "山田^太郎", "iso2022_jp")),
    "a name in a kept text, in another encoding": Odd(
        lambda: changed(
            t00080005=("CS", b"ISO_IR 192"),
            t00100010=("PN", "Müßiggang".encode()),
            t00080070=("LO", "Müßiggang".encode("utf-16-be")),
        ),
        Reason.RESIDUAL_IDENTIFIER,
    ),
}

SEQUENCES: dict[str, Odd] = {
    f"sequence of {'defined' if outer else 'undefined'} length, item of {'defined' if inner else 'undefined'}": Odd(
        lambda outer=outer, inner=inner: changed(sequence(REFERENCES, [item(NAMED, defined=inner)] * 2, defined=outer))
    )
    for outer in (True, False)
    for inner in (True, False)
} | {
    "sequences mixed": Odd(
        lambda: changed(
            sequence(
                REFERENCES,
                [item(sequence(0x0040A170, [item(NAMED, defined=False)])), item(NAMED, defined=False)],
                defined=False,
            )
        )
    ),
    "sequence of defined length with a delimiter": Odd(
        lambda: changed(sequence(REFERENCES, [item(NAMED), one(0xFFFEE0DD, "", b"")]))
    ),
    "sequence as UN, implicit": Odd(
        lambda: changed(sequence(REFERENCES, [item(one(0x00081155, "UI", UID, IMPLICIT_LITTLE))], vr="UN"))
    ),
    "sequence as UN, explicit": Odd(lambda: changed(sequence(REFERENCES, [item(NAMED)], vr="UN"))),
    "sequence as UN of undefined length, implicit": Odd(
        lambda: changed(
            sequence(
                REFERENCES, [item(one(0x00081155, "UI", UID, IMPLICIT_LITTLE), defined=False)], vr="UN", defined=False
            )
        )
    ),
    "sequence as UN of undefined length, explicit": Odd(
        lambda: changed(sequence(REFERENCES, [item(NAMED, defined=False)], vr="UN", defined=False))
    ),
    "sequence as UN that is none": Odd(lambda: changed(one(REFERENCES, "UN", b"Zweistein^Albertine"))),
    "sequence as LO": Odd(lambda: changed(one(REFERENCES, "LO", b"Zweistein^Albertine"))),
    "sequence as OB": Odd(lambda: changed(sequence(REFERENCES, [item(NAMED)], vr="OB"))),
    "private sequence as UN": Odd(
        lambda: changed(one(0x00290010, "LO", b"ZWEISTEIN"), sequence(PRIVATE, [item(NAMED)], vr="UN"))
    ),
    "private sequence as UN of undefined length": Odd(
        lambda: changed(one(0x00290010, "LO", b"ZWEISTEIN"), sequence(PRIVATE, [item(NAMED)], vr="UN", defined=False))
    ),
    "private sequence": Odd(lambda: changed(sequence(PRIVATE, [item(NAMED, defined=False)], defined=False))),
    "private sequence that is none": Odd(lambda: changed(one(PRIVATE, "SQ", b"Zweistein^Albertine"))),
    "sequence that is none": Odd(lambda: changed(one(REFERENCES, "SQ", b"Zweistein^Albertine"))),
    "item longer than its sequence": Odd(
        lambda: changed(one(REFERENCES, "SQ", one(0xFFFEE000, "", NAMED, length=len(NAMED) + 8)))
    ),
    "item that ends within an element": Odd(lambda: changed(one(REFERENCES, "SQ", item(NAMED[:-4])))),
    "sequence of undefined length without an end": Odd(
        lambda: changed(one(REFERENCES, "SQ", item(NAMED), length=UNDEFINED)), MALFORMED
    ),
    "LO of undefined length": Odd(lambda: changed(one(0x00080070, "UT", b"Zweistein", length=UNDEFINED)), MALFORMED),
    "64 deep, defined": Odd(lambda: changed(nested(64, defined=True))),
    "64 deep, undefined": Odd(lambda: changed(nested(64, defined=False))),
    "65 deep, defined": Odd(lambda: changed(nested(65, defined=True))),
    "65 deep, undefined": Odd(lambda: changed(nested(65, defined=False)), MALFORMED),
    "5,000 deep, undefined": Odd(
        lambda: changed(sequence(REFERENCES, [item(b"", defined=False)[:8]], defined=False)[:-8] * 5000), MALFORMED
    ),
    "tags twice in an item": Odd(
        lambda: changed(sequence(REFERENCES, [item(NAMED + NAMED, defined=False)], defined=False)), MALFORMED
    ),
    "tags in no order in an item": Odd(
        lambda: changed(sequence(REFERENCES, [item(one(0x00100010, "PN", b"Zweistein") + REFERENCE)]))
    ),
}

PIXELS: dict[str, Odd] = {
    "pixels of VR OB": Odd(lambda: changed(t7FE00010=("OB", bytes(12)))),
    "pixels of VR UN": Odd(lambda: changed(t7FE00010=("UN", bytes(12)))),
    "pixels of VR LT": Odd(lambda: changed(t7FE00010=("LT", b"Zweistein^Al")), MALFORMED),
    "pixels of VR SQ": Odd(lambda: changed(sequence(0x7FE00010, [item(NAMED)]), t7FE00010=None), MALFORMED),
    "pixels of odd length": Odd(
        lambda: a_file(
            encoded(the_elements(t7FE00010=None, t00280100=("US", u16(8)), t00280010=("US", u16(1))))
            + one(0x7FE00010, "OB", b"abc", length=3)
        )
    ),
    "pixels too short": Odd(lambda: changed(t7FE00010=("OW", bytes(10))), MALFORMED),
    "pixels too long": Odd(lambda: changed(t7FE00010=("OW", bytes(10) + b"Zwei")), MALFORMED),
    "no pixels": Odd(lambda: changed(t7FE00010=None), MALFORMED),
    "empty pixels": Odd(lambda: changed(t7FE00010=("OW", b"")), MALFORMED),
    "one bit per pixel": Odd(lambda: changed(t00280100=("US", u16(1)), t7FE00010=("OB", b"\x2a\0"))),
    "float pixels in a CT": Odd(lambda: changed(t7FE00010=None, t7FE00008=("OF", bytes(24))), MALFORMED),
    "float pixels": Odd(
        lambda: changed(
            t00080016=("UI", b"1.2.840.10008.5.1.4.1.1.30"),
            t7FE00010=None,
            t00280100=("US", u16(32)),
            t7FE00008=("OF", bytes(24)),
        )
    ),
    "two pixel elements": Odd(lambda: changed(t7FE00008=("OF", bytes(24))), MALFORMED),
    "pixels in an icon": Odd(
        lambda: changed(
            sequence(0x00880200, [item(encoded(the_elements(t00100010=None, t7FE00010=("OB", b"Zweistein!!!"))))])
        )
    ),
    "pixels at depth": Odd(
        lambda: changed(sequence(REFERENCES, [item(REFERENCE + one(0x7FE00010, "OB", b"Zweistein^Albertine"))]))
    ),
    "pixels in fragments at depth": Odd(
        lambda: changed(
            sequence(REFERENCES, [item(REFERENCE + one(0x7FE00010, "OB", fragments(b"Zweistein!"), length=UNDEFINED))])
        )
    ),
    "fragments": Odd(lambda: encapsulated(fragments(JPEG))),
    "fragments with an offset table": Odd(lambda: encapsulated(fragments(bytes(4), JPEG, table=False))),
    "fragments without an offset table": Odd(lambda: encapsulated(fragments(JPEG, JPEG, table=False))),
    "fragments, the last empty": Odd(lambda: encapsulated(fragments(JPEG, b""))),
    "fragments, all empty": Odd(lambda: encapsulated(fragments(b"")), MALFORMED),
    "no fragments": Odd(lambda: encapsulated(fragments(table=False)), MALFORMED),
    "fragments without an end": Odd(lambda: encapsulated(fragments(JPEG)[:-8]), MALFORMED),
    "fragments, one cut": Odd(lambda: encapsulated(fragments(JPEG)[:-12]), MALFORMED),
    "extended offset table": Odd(
        lambda: encapsulated(
            fragments(JPEG), t7FE00001=("OV", bytes(8)), t7FE00002=("OV", struct.pack("<Q", len(JPEG)))
        )
    ),
    "fragments in something else": Odd(
        lambda: changed(one(0x00081080, "OB", fragments(b"Zweistein!"), length=UNDEFINED), t00104000=("UN", b""))
    ),
}
