"""Build the package's form of PS3.15 Table E.3.4-1 from a CSV with one row per concept name and value type.

The CSV has the columns code, scheme, meaning, value_type, retired, basic, and one column per option of PS3.15 E.3
that holds the option's code where the option changes the basic one. The retired SNOMED codes of a concept, under which
older objects name it (PS3.16 Annex O), come from the mapping that pydicom ships.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

from pydicom.sr._snomed_dict import mapping

TARGET = Path(__file__).resolve().parent.parent / "dicom_assets" / "deidentification" / "data" / "table_e3_4_1.json"
FIXED_COLUMNS = ("code", "scheme", "meaning", "value_type", "retired", "basic")


def main() -> None:
    """Read the CSV, write the data file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, metavar="SOURCE_CSV")
    parser.add_argument("--edition", default="2026d", help="edition of the standard the CSV was taken from")
    parser.add_argument("--target", type=Path, default=TARGET)
    arguments = parser.parse_args()
    with arguments.source.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        columns = [name for name in reader.fieldnames or () if name not in FIXED_COLUMNS]
        rows = [_row(line, columns) for line in reader]
    head = {"table": "DICOM PS3.15 Table E.3.4-1", "edition": arguments.edition, "option_columns": columns}
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    arguments.target.write_text(json.dumps(head)[:-1] + ', "rows": [\n' + lines + "\n]}\n", encoding="utf-8")


def _row(line: dict[str, str], columns: list[str]) -> list[object]:
    scheme, _, version = line["scheme"].partition(" [")  # "NCDR [2.0b]": designator and version
    retired_codes = sorted(old for old, new in mapping["SRT"].items() if new == line["code"] and scheme == "SCT")
    options = {name: line[name] for name in columns if line[name]}
    marks = "r" if line["retired"] == "1" else ""
    concept = [line["code"], scheme, version.rstrip("]"), line["meaning"], line["value_type"]]
    return [*concept, marks, line["basic"], options, retired_codes]


if __name__ == "__main__":
    main()
