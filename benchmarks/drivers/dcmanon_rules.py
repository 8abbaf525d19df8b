"""dcmanon, told what Table E.1-1 asks for (`rules`), or as it comes (`default`)."""

from pathlib import Path

import harness
from dcmanon import Anonymizer
from rules import Rule, rules


def prepare(job: harness.Job) -> harness.Deidentify:
    """One anonymizer for all files."""
    told = {rule.tag: _action(rule) for rule in rules(job)} if job["variant"] == "rules" else None
    anonymizer = Anonymizer(uid_root="1.2.826.0.1.3680043.99.8", tag_actions=told)

    def anonymize(source: Path, target: Path) -> None:
        target.write_bytes(anonymizer.anonymize(str(source)))

    return anonymize


def _action(rule: Rule) -> dict[str, str]:
    if rule.action == "dummy":
        return {"action": "replace", "value": rule.dummy}
    return {"action": {"remove": "remove", "empty": "empty", "uid": "hashuid", "inside": "keep"}[rule.action]}


harness.main(harness.each_file(prepare))
