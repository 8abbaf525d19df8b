"""Does one new UID stand for one original, everywhere?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from dicom_assets.verification.identifiers import names_a_thing
from dicom_assets.verification.method import RETAIN_UIDS, method_codes
from dicom_assets.verification.reading import Instance, paired_elements, place_of, values_of
from dicom_assets.verification.verdict import CheckResult

SOP_INSTANCE_UID, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID = 0x00080018, 0x0020000D, 0x0020000E
_OF_THE_INSTANCE = (SOP_INSTANCE_UID, SERIES_INSTANCE_UID, STUDY_INSTANCE_UID)
_FILE_META_INFORMATION = 0x0002

Find = Callable[[str, str], None]
"""Takes a rule and a place."""


@dataclass(slots=True)
class _Sighting:
    """Where a replacement was seen first, and whether it stood for an instance, series or study itself."""

    file: str
    place: str
    is_own: bool
    count: int = 0


class UidConsistency:
    """Gathers replacements from the pairs, then says where they contradict each other.

    Replacements are taken where both files have the same attribute in the same place. A UID that was left as it
    is is no replacement: the search for leaks finds it, unless the method retains UIDs.
    """

    def __init__(self) -> None:
        self._seen: defaultdict[str, dict[str, _Sighting]] = defaultdict(dict)

    def take(self, source: Instance, dest: Instance, file: str) -> None:
        """Gather from one pair; `file` is what the destination is called."""
        is_retained = RETAIN_UIDS in method_codes(dest.ds)
        for before, after in paired_elements(source.ds, dest.ds):
            if before.vr != "UI" or after.vr != "UI":
                continue
            old, new = values_of(before), values_of(after)
            for original, replacement in zip(map(str, old), map(str, new), strict=False):
                original, replacement = original.strip(" \0"), replacement.strip(" \0")
                if not names_a_thing(before.tag, original) or (original == replacement and not is_retained):
                    continue
                is_own = len(after.path) == 1 and after.tag in _OF_THE_INSTANCE
                sighting = _Sighting(file, place_of(after.path), is_own)
                first = self._seen[original].setdefault(replacement, sighting)
                first.count += 1
                first.is_own |= is_own

    def check(self, result: CheckResult) -> None:
        """Find originals with several replacements and replacements of several originals."""
        result.examined, result.unit = len(self._seen), "UIDs"
        stands_for: defaultdict[str, list[_Sighting]] = defaultdict(list)
        for replacements in self._seen.values():
            right, *wrong = sorted(replacements.values(), key=lambda one: (not one.is_own, -one.count))
            for one in wrong:
                rule = "another replacement than the instance, series or study itself has"
                if not right.is_own:
                    rule = "an original has another replacement elsewhere"
                result.find(rule, one.file, one.place, one.count)
            for replacement, one in replacements.items():
                stands_for[replacement].append(one)
        for sightings in stands_for.values():
            for one in sightings[1:]:
                result.find("one UID stands for two originals", one.file, one.place, one.count)


def check_grouping(
    originals: dict[str, tuple[str, str]], copies: dict[str, tuple[str, str]], result: CheckResult
) -> None:
    """Find files whose study or series is another's: pairs of Study and Series Instance UID by file, both sides."""
    for level, name in ((0, "study"), (1, "series")):
        groups: dict[str, str] = {}
        for file, original in originals.items():
            expected = groups.setdefault(original[level], copies[file][level])
            if copies[file][level] != expected:
                result.find(f"is not in the {name} of those that its source is with", file)
