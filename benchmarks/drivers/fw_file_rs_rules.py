"""fw-file-rs, told what Table E.1-1 asks for."""

from pathlib import Path

import harness
from fw_file_rs.dcm import Context
from rules import Rule, rules


def prepare(job: harness.Job) -> harness.Deidentify:
    """One profile for all files."""
    fields = "\n".join(_field(rule) for rule in rules(job) if rule.action != "inside")
    head = "version: 1\nname: table\ndicom:\n  remove-private-tags: true\n  recurse-sequence: true\n  fields:\n"
    context = Context().deid_profile(head + fields)

    def deidentify(source: Path, target: Path) -> None:
        target.write_bytes(context.deid_header(source.read_bytes()))

    return deidentify


def _field(rule: Rule) -> str:
    told = {
        "remove": "remove: true",
        "empty": 'replace-with: ""',
        "uid": "hashuid: true",
        "dummy": f'replace-with: "{rule.dummy}"',
    }
    return f'    - name: "{rule.tag}"\n      {told[rule.action]}'


harness.main(harness.each_file(prepare))
