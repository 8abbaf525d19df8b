"""Write the table of shipped profiles into README.md, between its two marker comments."""

from __future__ import annotations

from pathlib import Path

from dicom_assets.deidentification.profile_table import profile_table

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- profiles -->\n", "<!-- end of profiles -->"


def main() -> None:
    """Replace what stands between the markers."""
    head, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    tail = rest.partition(END)[2]
    README.write_text(head + BEGIN + profile_table() + END + tail, encoding="utf-8")


if __name__ == "__main__":
    main()
