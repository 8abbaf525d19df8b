"""Write the tables of events into docs/audit-trail.md, between their marker comments."""

from __future__ import annotations

from pathlib import Path

from dicom_assets.adapters.event_table import event_table, stage_table

PAGE = Path(__file__).resolve().parent.parent / "docs" / "audit-trail.md"


def main() -> None:
    """Replace what stands between the markers."""
    text = PAGE.read_text(encoding="utf-8")
    for name, table in (("events", event_table()), ("stages", stage_table())):
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        head, _, rest = text.partition(begin)
        text = head + begin + table + end + rest.partition(end)[2]
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
