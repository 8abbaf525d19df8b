"""Build the package's form of PS3.15 Table E.1-1 from a CSV with one row per attribute.

The CSV has the columns tag, keyword, vr, name, retired, in_standard_iod, basic, and one column per
option of PS3.15 E.3 that holds the option's code where the option changes the basic one.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

TARGET = Path(__file__).resolve().parent.parent / "dicom_assets" / "deidentification" / "data" / "table_e1_1.json"
FIXED_COLUMNS = ("tag", "keyword", "vr", "name", "retired", "in_standard_iod", "basic")


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
    head = {"table": "DICOM PS3.15 Table E.1-1", "edition": arguments.edition, "option_columns": columns}
    lines = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    arguments.target.write_text(json.dumps(head)[:-1] + ', "rows": [\n' + lines + "\n]}\n", encoding="utf-8")


def _row(line: dict[str, str], columns: list[str]) -> list[object]:
    marks = ("r" if line["retired"] == "1" else "") + ("s" if line["in_standard_iod"] == "1" else "")
    options = {name: line[name] for name in columns if line[name]}
    return [line["tag"], line["keyword"], line["vr"], line["name"], marks, line["basic"], options]


if __name__ == "__main__":
    main()
