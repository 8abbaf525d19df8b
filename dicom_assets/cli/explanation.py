"""Printing what would happen to each attribute of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dicom_assets.deidentification import Profile


def print_explanation(file: Path, profile: Profile, secret: bytes) -> None:
    """A table on standard output, one line for each attribute; sequences are indented.

    Raises:
        ConfigurationError: the file can't be read as DICOM.
    """
    from rich.console import Console
    from rich.table import Table

    from dicom_assets.deidentification import UidReplacer, UnreadableInstanceError, explain_instance
    from dicom_assets.errors import ConfigurationError
    from dicom_assets.study import Subject

    table = Table(title=f"profile {profile.name} {profile.version}")
    for column in ("attribute", "VR", "keyword", "effect", "rule", "option"):
        table.add_column(column, overflow="fold")
    try:
        with file.open("rb") as source:
            for line in explain_instance(source, profile, Subject("SUBJECT", -1), UidReplacer(secret)):
                rule = line.rule if line.rule == line.action else f"{line.rule} ({line.action})"
                table.add_row("> " * line.depth + line.tag, line.vr, line.keyword, line.effect, rule, line.option)
    except (UnreadableInstanceError, OSError) as error:
        reason = str(error) if isinstance(error, UnreadableInstanceError) else type(error).__name__
        raise ConfigurationError(f"The file can't be explained: {reason}.") from None
    Console().print(table)
