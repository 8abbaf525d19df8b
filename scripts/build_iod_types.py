"""Build the package's extract of PS3.3: the Type of each attribute that a rule has to know, by SOP Class and place.

The facts come from the data files of the PyPI package highdicom (`_standard/*.json`, which it generates from
PS3.3), so highdicom must be installed where this runs, or its data folder named. Nothing needs it afterwards.

What is extracted are attributes whose code in PS3.15 Table E.1-1 leaves a choice, and attributes that the table
does not name and whose VR has a rule of its own. An attribute that several modules of an IOD hold in the same place
has its strictest Type, whatever the modules' usage: where it is present, so may be the module that asks most.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydicom.datadict import tag_for_keyword

from dicom_assets.deidentification.action import Action
from dicom_assets.deidentification.dictionary import known_vr
from dicom_assets.deidentification.rules import ACTION_BY_VR
from dicom_assets.deidentification.table import confidentiality_table

TARGET = Path(__file__).resolve().parent.parent / "dicom_assets" / "deidentification" / "data" / "iod_types.json"
STRICTEST_FIRST = ("1", "1C", "2", "2C", "3", "")
CODES_WITHOUT_A_CHOICE = frozenset({"X", "D", "U", "X/Z/U*"})
OVERLAYS = 0x60
CONTENT = {
    "image-pixel": (0x7FE00010,),  # of Type 1C, but the other choice is a URL, which does not leave
    "floating-point-image-pixel": (0x7FE00008,),
    "double-floating-point-image-pixel": (0x7FE00009,),
    "mr-spectroscopy-data": (0x56000020,),
    "waveform": (0x54000100,),
    "encapsulated-document": (0x00420011,),
    "sr-document-content": (0x0040A730,),  # of Type 1C, but a report of nothing but its title reports nothing
}
"""What a module exists for: one of these attributes is there where the module is mandatory."""


@dataclass
class Place:
    """An attribute in a place: its Type where a module gives one, and what its items hold."""

    type: str = ""
    inside: dict[int, Place] = field(default_factory=dict)


def main() -> None:
    """Read highdicom's files, write the data file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, nargs="?", metavar="HIGHDICOM_STANDARD_FOLDER")
    parser.add_argument("--target", type=Path, default=TARGET)
    arguments = parser.parse_args()
    source = arguments.source or _installed()
    sop_classes = json.loads((source / "sop_class_iod_map.json").read_text(encoding="utf-8"))
    iods = json.loads((source / "iod_module_map.json").read_text(encoding="utf-8"))
    modules = json.loads((source / "module_attribute_map.json").read_text(encoding="utf-8"))
    shared: dict[str, int] = {}
    roots = {iod: _share(_merged(usages, modules), shared) for iod, usages in iods.items()}
    head = {
        "table": "DICOM PS3.3 Types of attributes",
        "source": f"highdicom {_version(source)}, _standard/*.json, which names no edition of PS3.3",
        "form": "node: TAG:TYPE:NODE OF ITS ITEMS ...; SOP class: [node, tags of which one is there]",
    }
    classes = {uid: [roots[iod], _content(iods[iod])] for uid, iod in sorted(sop_classes.items())}
    parts = [_lines(shared), ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in classes.items())]
    text = json.dumps(head)[:-1] + f', "nodes": [\n{parts[0]}\n], "sop_classes": {{\n{parts[1]}\n}}}}\n'
    arguments.target.write_text(text, encoding="utf-8")


def _installed() -> Path:
    spec = find_spec("highdicom")
    if spec is None or spec.origin is None:
        raise SystemExit("highdicom is not installed; name the folder of its data files")
    return Path(spec.origin).parent / "_standard"


def _version(source: Path) -> str:
    found = sorted(source.parent.parent.glob("highdicom-*.dist-info"))
    return found[0].name.split("-")[1].removesuffix(".dist") if found else version("highdicom")


def _merged(usages: list[dict[str, str]], modules: dict[str, list[dict[str, Any]]]) -> dict[int, Place]:
    root: dict[int, Place] = {}
    for usage in usages:
        for attribute in modules.get(usage["key"], []):
            tags = [tag_for_keyword(keyword) for keyword in (*attribute["path"], attribute["keyword"])]
            if None in tags:
                continue  # repeating groups (overlays), which the table's own rows remove
            place = Place(inside=root)
            for tag in tags:
                place = place.inside.setdefault(int(tag or 0), Place())
            found = "" if attribute["type"] in (None, "None") else attribute["type"]
            place.type = min(place.type, found, key=STRICTEST_FIRST.index)
    return root


def _matters(tag: int) -> bool:
    row = confidentiality_table().row_for(tag)
    if row is not None:
        return row.basic not in CODES_WITHOUT_A_CHOICE
    return ACTION_BY_VR.get(known_vr(tag), Action.UID) is not Action.UID and tag >> 24 != OVERLAYS


def _share(inside: dict[int, Place], shared: dict[str, int]) -> int | None:
    """The number of the node that says what `inside` does; None where nothing in it matters."""
    entries = []
    for tag, place in sorted(inside.items()):
        node = _share(place.inside, shared)
        type_ = place.type if _matters(tag) else ""
        if type_ or node is not None:
            entries.append(f"{tag:08X}:{type_}:{'' if node is None else node}".rstrip(":"))
    return shared.setdefault(" ".join(entries), len(shared)) if entries else None


def _content(usages: list[dict[str, str]]) -> list[str]:
    mandatory = [usage["key"] for usage in usages if usage["usage"] == "M" and usage["key"] in CONTENT]
    return [f"{tag:08X}" for module in mandatory for tag in CONTENT[module]]


def _lines(shared: dict[str, int]) -> str:
    return ",\n".join(json.dumps(node) for node in shared)


if __name__ == "__main__":
    main()
