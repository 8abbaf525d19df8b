"""All checks over two folders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydicom.uid import DeflatedExplicitVRLittleEndian

from dicom_assets.verification import iod
from dicom_assets.verification.attributes import check_attributes
from dicom_assets.verification.folders import DestinationNames, SourceNames, UnreadableFolderError, files_of
from dicom_assets.verification.identifiers import Identifier, Kind, device_words, identifiers_of
from dicom_assets.verification.intervals import Intervals
from dicom_assets.verification.leaks import LeakSearch, check_birth_date
from dicom_assets.verification.method import check_dates, check_method
from dicom_assets.verification.objects import check_file, check_pair
from dicom_assets.verification.pairing import Trait, pair_by_content, pair_by_report, trait_of
from dicom_assets.verification.reading import Instance, quiet, read_instance
from dicom_assets.verification.report_file import read_report
from dicom_assets.verification.uids import UidConsistency, check_grouping
from dicom_assets.verification.verdict import Check, CheckResult, Verdict
from dicom_assets.verification.words import CommonWords

Progress = Callable[[str, int, int], None]
"""Takes what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What to verify and how.

    Attributes:
        source: the identified folder.
        dest: the de-identified folder.
        report: what the de-identification says came of each source file.
        with_iod: whether to ask dciodvfy.
        show_source: whether findings may name files of SOURCE.
    """

    source: Path
    dest: Path
    report: Path | None = None
    with_iod: bool = True
    show_source: bool = False


def verify(settings: Settings, progress: Progress = lambda _what, _done, _total: None) -> Verdict:
    """Check a de-identified folder against its source.

    Raises:
        UnreadableFolderError: a folder, or a file in it, can't be read, or there is no DICOM file in it.
        UnreadableReportError: the report is not in a form that is known.
    """
    with quiet():
        return _Verification(settings, progress).run()


class _Verification:
    """Goes through SOURCE, DEST and the pairs, in this order; one file of each is in memory at a time."""

    def __init__(self, settings: Settings, progress: Progress) -> None:
        source, dest = settings.source.resolve(), settings.dest.resolve()
        report = settings.report.resolve() if settings.report is not None else None
        self._lines = read_report(report, source, dest) if report is not None else None
        self._sources = [path for path in files_of(source, "SOURCE") if path != report]
        self._dests = [path for path in files_of(dest, "DEST") if path != report]
        self._source, self._dest = source, dest
        self._source_name = SourceNames(source, self._sources, show=settings.show_source)
        self._dest_name = DestinationNames(dest, self._dests)
        self._with_iod = settings.with_iod
        self._progress = progress
        self._born: dict[Path, set[str]] = {}
        self._results = {check: CheckResult(check) for check in Check}

    def run(self) -> Verdict:
        """Make all checks."""
        identifiers: set[Identifier] = set()
        devices: set[str] = set()
        sources: list[Trait] = []
        for instance in self._instances(self._sources, "reading SOURCE"):
            found = identifiers_of(instance)
            identifiers |= found
            self._born[instance.path] = {one.text for one in found if one.kind is Kind.BIRTH_DATE}
            devices |= device_words(instance)
            sources.append(trait_of(instance, self._source))
        if not sources:
            raise UnreadableFolderError("SOURCE holds no DICOM file")
        dests = self._check_dests(LeakSearch(identifiers, CommonWords(devices)))
        pairs = self._pair(sources, dests)
        comparable = self._compare(pairs)
        self._check_iod(comparable, pairs)
        return Verdict(len(sources), len(dests), len(pairs), list(self._results.values()))

    def _instances(self, paths: Iterable[Path], what: str) -> Iterator[Instance]:
        files = list(paths)
        for done, path in enumerate(files, start=1):
            instance = read_instance(path, self._content(path))
            if instance is not None:
                yield instance
            self._progress(what, done, len(files))

    def _find(self, check: Check, path: Path, rule: str, place: str) -> None:
        self._results[check].find(rule, self._dest_name(path), place)

    def _check_dests(self, search: LeakSearch) -> list[Trait]:
        leaks = self._results[Check.LEAKS]
        for check in (Check.LEAKS, Check.OBJECTS, Check.METHOD):
            self._results[check].examined = len(self._dests)
        traits: list[Trait] = []
        for done, path in enumerate(self._dests, start=1):
            relative = path.relative_to(self._dest)
            if search.in_path((*relative.parent.parts, relative.stem)):
                self._dest_name.hide(path, name_too=search.in_path([relative.stem]))
                leaks.find("the path holds an identifier of the source", self._dest_name(path), "path")
            content = self._content(path)
            dest = read_instance(path, content)
            if dest is None:
                search.in_other_file(content, partial(self._find, Check.LEAKS, path))
                self._find(Check.OBJECTS, path, "not a readable DICOM file", "")
            else:
                self._check_dest(dest, search)
                traits.append(trait_of(dest, self._dest))
            self._progress("searching DEST", done, len(self._dests))
        if not traits and self._lines is None:
            raise UnreadableFolderError("DEST holds no DICOM file")
        return traits

    def _check_dest(self, dest: Instance, search: LeakSearch) -> None:
        find_leak = partial(self._find, Check.LEAKS, dest.path)
        search.in_instance(dest, find_leak)
        check_attributes(dest, find_leak)
        check_file(dest, partial(self._find, Check.OBJECTS, dest.path))
        check_method(dest, partial(self._find, Check.METHOD, dest.path))

    def _pair(self, sources: list[Trait], dests: list[Trait]) -> dict[Path, Path]:
        result = self._results[Check.PAIRING]
        if self._lines is not None:
            result.examined = len(self._sources)
            readable = {one.path for one in (*sources, *dests)}
            names = (self._source_name, self._dest_name)
            traits = dict.fromkeys(self._sources) | {one.path: one for one in sources}
            pairs = pair_by_report(self._lines, traits, self._dests, result, names)
            return {dest: source for dest, source in pairs.items() if {dest, source} <= readable}
        result.examined = len(dests)
        pairs = pair_by_content(sources, dests)
        if len(pairs) < len(dests):
            result.note(
                "files of DEST could not be paired by content and are not compared: use --report",
                len(dests) - len(pairs),
            )
        if len(pairs) < len(sources):
            result.note("files of SOURCE have no counterpart", len(sources) - len(pairs))
        return pairs

    def _compare(self, pairs: dict[Path, Path]) -> dict[Path, Path]:
        """Compare all pairs; answers those that dciodvfy can read."""
        uids, intervals = UidConsistency(), Intervals()
        originals: dict[str, tuple[str, str]] = {}
        copies: dict[str, tuple[str, str]] = {}
        comparable = {}
        for dest in self._instances(pairs, "comparing pairs"):
            source = read_instance(pairs[dest.path], self._content(pairs[dest.path]))
            if source is None:
                continue
            name = self._dest_name(dest.path)
            uids.take(source, dest, name)
            intervals.take(source, dest, name)
            originals[name] = source.text("StudyInstanceUID"), source.text("SeriesInstanceUID")
            copies[name] = dest.text("StudyInstanceUID"), dest.text("SeriesInstanceUID")
            self._check_pair(source, dest)
            if DeflatedExplicitVRLittleEndian not in (source.transfer_syntax, dest.transfer_syntax):
                comparable[dest.path] = source.path
        uids.check(self._results[Check.UIDS])
        check_grouping(originals, copies, self._results[Check.UIDS])
        intervals.check(self._results[Check.INTERVALS])
        if not pairs:
            self._results[Check.UIDS].skipped = "no files could be paired"
        return comparable

    def _check_pair(self, source: Instance, dest: Instance) -> None:
        objects = self._results[Check.OBJECTS]
        check_pair(source, dest, partial(self._find, Check.OBJECTS, dest.path), objects.note)
        check_dates(source, dest, partial(self._find, Check.METHOD, dest.path))
        for born in self._born.get(source.path, ()):
            check_birth_date(born, dest, partial(self._find, Check.LEAKS, dest.path))

    def _check_iod(self, comparable: dict[Path, Path], pairs: dict[Path, Path]) -> None:
        result, program = self._results[Check.IOD], iod.dciodvfy()
        if not self._with_iod:
            result.skipped = "switched off"
        elif program is None:
            result.skipped = iod.HOW_TO_INSTALL
        elif not comparable:
            result.skipped = "no files could be paired"
        else:
            self._ask_dciodvfy(program, comparable, result)
            if len(comparable) < len(pairs):
                result.note("deflated files, which dciodvfy does not read", len(pairs) - len(comparable))

    def _ask_dciodvfy(self, program: str, pairs: dict[Path, Path], result: CheckResult) -> None:
        result.examined = len(pairs)
        comparisons = iod.compare_all(program, [(source, dest) for dest, source in pairs.items()])
        for done, comparison in enumerate(comparisons, start=1):
            if not comparison.comparable:
                result.note("files whose source dciodvfy can't check, so that there is nothing to compare with")
            for error, count in comparison.errors.items():
                result.find(f"new error: {error}", self._dest_name(comparison.dest), count=count)
            self._progress("asking dciodvfy", done, len(pairs))

    def _content(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            name = self._dest_name(path) if path.is_relative_to(self._dest) else self._source_name(path)
            raise UnreadableFolderError(f"{name} can't be read: {error.strerror}") from None
