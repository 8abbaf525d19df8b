"""dicom-anonymizer with the newest edition of the table that it ships."""

from functools import partial
from pathlib import Path

import harness
from dicomanonymizer import dicom_anonymization_databases
from dicomanonymizer.simpledicomanonymizer import anonymize_dicom_file, initialize_actions


def prepare(job: harness.Job) -> harness.Deidentify:  # noqa: ARG001
    """Its own rules."""
    shipped = Path(dicom_anonymization_databases.__file__).parent
    edition = sorted(path.stem for path in shipped.glob("dicomfields_*.py"))[-1]
    actions = partial(initialize_actions, edition)

    def anonymize(source: Path, target: Path) -> None:
        anonymize_dicom_file(str(source), str(target), base_rules_gen=actions)

    return anonymize


harness.main(harness.each_file(prepare))
