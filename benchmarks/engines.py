"""The engines that are compared, and where each comes from."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """One line of the report.

    `driver` is a script of `drivers/`; `requirement` what pip installs for it (nothing for ours and the floor, which
    run with this Python), `distribution` whose version is reported. `row_variant` is for the files beside the study.
    `program` has to be found, in the engine's environment or on the PATH.
    """

    name: str
    driver: str
    variant: str = ""
    row_variant: str = ""
    requirement: str = ""
    distribution: str = ""
    program: str = ""
    floor: bool = False
    hint: str = field(default="", compare=False)


OURS = EngineSpec("dicom_assets", "ours.py", "recorded", "engine")

ENGINES: tuple[EngineSpec, ...] = (
    OURS,
    EngineSpec("dicom_assets, whole stage", "ours.py", "stage", "engine"),
    EngineSpec("dicom_assets, engine alone", "ours.py", "engine", "engine"),
    EngineSpec("dcmanon, rules from the table", "dcmanon_rules.py", "rules", requirement="dcmanon"),
    EngineSpec("dcmanon as it comes", "dcmanon_rules.py", "default", requirement="dcmanon"),
    EngineSpec(
        "gdcmanon -e",
        "gdcmanon_folder.py",
        requirement="python-gdcm",
        program="gdcmanon",
        hint="`pip install python-gdcm` or Debian's `libgdcm-tools`; needs `openssl` for a certificate, too",
    ),
    EngineSpec("fw-file-rs, rules from the table", "fw_file_rs_rules.py", requirement="fw-file-rs"),
    EngineSpec("dicognito", "dicognito_default.py", requirement="dicognito"),
    EngineSpec("dicom-anonymizer", "dicom_anonymizer_newest.py", requirement="dicom-anonymizer"),
    EngineSpec("idiscore", "idiscore_basic.py", requirement="idiscore>=1.6", distribution="idiscore"),
    EngineSpec("dentdeid, attributes alone", "dentdeid_headers.py", requirement="dentdeid"),
    EngineSpec("dicom-dre, default", "dicom_dre_default.py", requirement="dicom-dre"),
    EngineSpec("deid, rules from the table", "deid_rules.py", requirement="deid"),
    EngineSpec("pydicom, read and save", "floor_pydicom.py", floor=True),
    EngineSpec("read and write the bytes", "floor_bytes.py", floor=True),
)
