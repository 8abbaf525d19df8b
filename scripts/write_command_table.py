"""Write the table of commands into docs/commands.md, between its two marker comments."""

from __future__ import annotations

from pathlib import Path

from dicom_assets.cli import main as dicom_assets
from dicom_assets.cli.command_table import command_table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "commands.md"
BEGIN, END = "<!-- commands -->\n", "<!-- end of commands -->"


def main() -> None:
    """Replace what stands between the markers."""
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    tail = rest.partition(END)[2]
    PAGE.write_text(head + BEGIN + command_table(dicom_assets) + END + tail, encoding="utf-8")


if __name__ == "__main__":
    main()
