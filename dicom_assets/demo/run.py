"""Runs the real job against the demo's PACSs and databases, and judges what came of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import Progress

from dicom_assets.demo import servers
from dicom_assets.demo.databases import published_and_failed, reviewed
from dicom_assets.demo.home import DemoHome, Ports, demo_environment, instances_to_prepare, prepare
from dicom_assets.demo.plan import DemoStudy, Outcome
from dicom_assets.demo.progress import BarProgress, EventFollower, PlainProgress

JOB = "publish_reviewed_studies"
JOB_COMMAND = (sys.executable, "-m", "dagster", "job", "execute", "-m", "dicom_assets.definitions", "-j", JOB)
OVERVIEW = "overview.txt"
FOLLOW_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the review database and the research PACS must hold after the next run. *Identified*."""

    to_publish: int
    to_fail: int
    published: frozenset[str] = field(repr=False)
    failed: frozenset[str] = field(repr=False)
    instances: int = 0

    @classmethod
    def of(cls, home: DemoHome, studies: Sequence[DemoStudy]) -> Expectation:
        """Read it off the demo's plan and what was done so far."""
        url = home.database_url("review")
        was_published, was_failed = published_and_failed(url)
        ready = [study for study in _approved(url, studies) if study.study_uid not in was_published | was_failed]
        good = [study for study in ready if study.in_staging and study.has_encounter]
        published = was_published | {study.study_uid for study in good}
        failed = was_failed | ({study.study_uid for study in ready} - published)
        instances = sum(study.publishable for study in studies if study.study_uid in published)
        return cls(len(good), len(ready) - len(good), published, failed, instances)

    def differences(self, home: DemoHome) -> list[str]:
        """In what the outcome is not as expected, in counts alone."""
        published, failed = published_and_failed(home.database_url("review"))
        stored = sum(1 for _ in home.research.glob("*.dcm"))
        found = []
        if published != self.published:
            found.append(f"{len(published)} studies are marked as published, {len(self.published)} should be")
        if failed != self.failed:
            found.append(f"{len(failed)} studies are marked with an error, {len(self.failed)} should be")
        if stored != self.instances:
            found.append(f"the research PACS holds {stored} instances, {self.instances} should be there")
        return found


def _approved(review_url: str, studies: Sequence[DemoStudy]) -> list[DemoStudy]:
    """The studies approved from the beginning, and those that somebody approved since."""
    has_review = reviewed(review_url)
    return [
        study
        for study in studies
        if study.outcome is not Outcome.LEFT_OUT or (not study.reviews and study.study_uid in has_review)
    ]


def run_demo(
    home: DemoHome,
    ports: Ports,
    studies: Sequence[DemoStudy],
    console: Console,
    keep: bool = False,
    command: Sequence[str] = JOB_COMMAND,
) -> bool:
    """Prepare, run the job, show its overview; True if what was expected happened.

    Raises:
        ConfigurationError: the PACSs can't start.
    """
    _say(console, f"Preparing {instances_to_prepare(studies)} instances of {len(studies)} studies in {home.folder}")
    _prepare(home, studies, console)
    expectation = Expectation.of(home, studies)
    with servers.listening(home, ports, keep):
        has_overview = _run_job(home, ports, console, command)
    differences = expectation.differences(home)
    if not has_overview:
        differences.insert(0, "the job wrote no overview")
    _conclude(home, console, expectation, differences)
    return not differences


def _prepare(home: DemoHome, studies: Sequence[DemoStudy], console: Console) -> None:
    if not console.is_terminal:
        prepare(home, studies)
        return
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("making studies", total=instances_to_prepare(studies))
        prepare(home, studies, lambda count: progress.advance(task, count))


def _run_job(home: DemoHome, ports: Ports, console: Console, command: Sequence[str]) -> bool:
    """Run the job, show its progress and its overview; False if it wrote none."""
    environment = {**os.environ, **demo_environment(home.folder, ports)}
    follower = EventFollower(home.runs)
    progress = BarProgress(console) if console.is_terminal else PlainProgress(lambda text: _say(console, text))
    _say(console, f"Running `dagster job execute -j {JOB}`")
    with home.job_log.open("wb") as log, progress:
        process = subprocess.Popen(
            command, cwd=home.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            while process.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(FOLLOW_SECONDS)
                for event in follower.poll():
                    progress.show(event)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
    overview = follower.folder / OVERVIEW if follower.folder else None
    if overview is None or not overview.exists():
        return False
    console.print(overview.read_text(), markup=False, highlight=False, soft_wrap=True)
    return True


def _conclude(home: DemoHome, console: Console, expectation: Expectation, differences: Sequence[str]) -> None:
    if differences:
        _say(console, "This is not what the demo expected:")
        for difference in differences:
            _say(console, f"  - {difference}")
        _say(console, f"The job's log is {home.job_log}")
        return
    if not expectation.to_publish and not expectation.to_fail:
        _say(console, "Nothing was left to do: every approved study is published or marked with its error.")
    elif expectation.to_fail:
        _say(
            console,
            f"All as expected, the failures too ({expectation.to_fail}): the demo approves one study that the staging "
            "PACS does not have, and one that has no encounter in the research database.",
        )
    _say(
        console,
        "\nTo look around: `make ui`, then http://127.0.0.1:3000. Switch the sensor `reviewed_study_sensor` on there "
        "and run `make approve`: it approves one more study, which the sensor then publishes.",
    )


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
