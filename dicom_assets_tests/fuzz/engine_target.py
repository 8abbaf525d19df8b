"""What atheris runs: whatever the bytes, both engines end with the same clean instance or the same reason.

As a program: `python -m dicom_assets_tests.fuzz.engine_target SEEDS -max_total_time=60` (see `-help=1`).
"""

from __future__ import annotations

import io
import sys
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["dicom_assets.deidentification"]):
    from dicom_assets.deidentification.derivation import UidReplacer
    from dicom_assets.deidentification.encoded import Reader
    from dicom_assets.deidentification.identity import read_identity
    from dicom_assets.deidentification.instance import Engine, deidentify_instance
    from dicom_assets.deidentification.outcome import Deidentified, Quarantined, UnreadableInstanceError
    from dicom_assets.deidentification.part10 import open_part10
    from dicom_assets.deidentification.profile import Profile, shipped_profile
    from dicom_assets.deidentification.unlisted import BULK
    from dicom_assets.study import Subject

PROFILES = [shipped_profile(name) for name in ("basic", "research", "seed")]
SECRET = b"sixteen bytes or more of secret"
SUBJECT = Subject("PZK7Q2M8XAB", -100)
SENTINEL = "zweistein"
"""Part of the name in every seed; where a mutation has moved it elsewhere, nobody can know it for a name."""


def test_one_input(content: bytes) -> None:
    """One run of the engine over arbitrary bytes, by every profile."""
    name = ""
    with suppress(UnreadableInstanceError):
        name = read_identity(io.BytesIO(content)).patient.patient_name.casefold()
    for profile in PROFILES:
        outcome, written, seen = run(content, profile, Engine.AUTO)
        assert (outcome, written, seen) == run(content, profile, Engine.THOROUGH), "the two engines differ"
        if isinstance(outcome, Quarantined):
            assert written == b"", "something was written of an instance that was kept back"
            continue
        assert isinstance(outcome, Deidentified)
        check_written(written, named=SENTINEL in name)


def run(content: bytes, profile: Profile, engine: Engine) -> tuple[Deidentified | Quarantined, bytes, dict[str, str]]:
    """What came of it, what was written, and which UIDs were replaced."""
    destination, uids = io.BytesIO(), UidReplacer(SECRET)
    outcome = deidentify_instance(
        io.BytesIO(content),
        destination,
        profile=profile,
        subject=SUBJECT,
        uids=uids,
        allowed_modalities=frozenset({"CT", "MR"}),
        engine=engine,
    )
    return outcome, destination.getvalue(), uids.seen


def check_written(written: bytes, *, named: bool) -> None:
    """What was written can be read again by the strict reader, and does not tell the name if the patient was named."""
    part10 = open_part10(written)
    data_set, _ = Reader(part10.data, part10.encoding).data_set()
    assert data_set.value(0x00120062).strip() == b"YES", "de-identified, but does not say so"
    texts = (element for element in data_set.walk() if element.items is None and element.tag not in BULK)
    header = b"\0".join(bytes(element.value) for element in texts)
    forms = [SENTINEL.encode(codec) for codec in ("ascii", "utf-16-le", "utf-16-be")]
    assert not named or not any(form in header.lower() for form in forms), "the patient's name is left"


def write_seeds(folder: Path) -> None:
    """Valid files of several encodings to start from."""
    from dicom_assets_tests.fuzz.seeds import seeds

    folder.mkdir(exist_ok=True)
    for name, content in seeds().items():
        (folder / name).write_bytes(content)


def main() -> None:
    """Fuzz until told to stop."""
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        write_seeds(Path(sys.argv[1]))
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
