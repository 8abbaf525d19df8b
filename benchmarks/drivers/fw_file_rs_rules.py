"""fw-file-rs, told what Table E.1-1 asks for."""

from pathlib import Path

import harness
from fw_file_rs.dcm import Context
from rules import Rule, rules


def prepare(job: harness.Job) -> harness.Deidentify:
    """One profile for all files."""
    fields = "\n".join(_field(rule) for rule in _without_doubles(list(rules(job))))
    head = "version: 1\nname: table\ndicom:\n  remove-private-tags: true\n  recurse-sequence: true\n  fields:\n"
    context = Context().deid_profile(head + fields)

    def deidentify(source: Path, target: Path) -> None:
        target.write_bytes(context.deid_header(source.read_bytes()))

    return deidentify


TOO_WIDE = frozenset({"Date", "DateTime", "Time", "UID"})
"""At depth, a name stands for every keyword that it is part of: with these, more would go wrong than right."""


def _without_doubles(wanted: list[Rule]) -> list[Rule]:
    """The rules less those that would hash a UID which a shorter name has hashed already."""
    uids = {rule.keyword for rule in wanted if rule.action == "uid" and rule.keyword} - TOO_WIDE
    doubles = {uid for uid in uids if any(other in uid and other != uid for other in uids)}
    doubles -= {rule.keyword for rule in wanted if rule.tag.startswith("0002")}
    return [rule for rule in wanted if rule.action != "inside" and rule.keyword not in TOO_WIDE | doubles]


def _field(rule: Rule) -> str:
    # Removing a sequence fails where emptying it works.
    told = {
        "remove": "remove: true" if rule.vr != "SQ" else 'replace-with: ""',
        "empty": 'replace-with: ""',
        "uid": "hashuid: true",
        "dummy": f'replace-with: "{rule.dummy}"',
    }
    return f'    - name: "{rule.keyword or rule.tag}"\n      {told[rule.action]}'


harness.main(harness.each_file(prepare))
