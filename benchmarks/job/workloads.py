"""What is moved: approved studies of invented people, as files and as rows of the databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from benchmarks.job.instances import CT, SMALL_MR, Image, instance_files, ultrasound
from dicom_assets.demo.people import patient
from dicom_assets.demo.plan import DemoReview, DemoSeries, DemoStudy, Kind, Outcome, a_study

KINDS = {"CT": Kind.CT, "MR": Kind.MR_T1, "US": Kind.US}


@dataclass(frozen=True)
class Workload:
    """So many studies of so many instances each."""

    name: str
    image: Image
    study_count: int
    instances_per_study: int

    @property
    def instances(self) -> int:
        """Of all studies."""
        return self.study_count * self.instances_per_study

    @property
    def sentence(self) -> str:
        """What it is, for people."""
        image = self.image
        size = f"{image.pixel_bytes / 1e6:.1f} MB" if image.pixel_bytes >= 10**6 else f"{image.pixel_bytes // 1000} kB"
        frames = f", {image.frames} frames" if image.frames > 1 else ""
        return (
            f"{self.study_count} x {self.instances_per_study} {image.modality} instances of "
            f"{image.columns}x{image.rows} pixels of {image.bits} bit{frames}, {size} each"
        )

    @cached_property
    def studies(self) -> tuple[DemoStudy, ...]:
        """Each of a patient of its own, with one approving review."""
        return tuple(self._study(number) for number in range(1, self.study_count + 1))

    def _study(self, number: int) -> DemoStudy:
        study = a_study(number, "benchmark", Outcome.PUBLISHED, self.name, patient(number), reviews=(DemoReview(),))
        modality = self.image.modality
        series = DemoSeries(1, KINDS[modality], modality, self.name, study.uid("series", 0), ())
        return replace(study, series=(series,))

    def write(self, folder: Path) -> int:
        """Write the files, the same every time; returns their bytes."""
        folder.mkdir(parents=True)
        size = 0
        for study in self.studies:
            for uid, content in instance_files(study, self.instances_per_study, self.image):
                size += (folder / f"{uid}.dcm").write_bytes(content)
        return size


def workloads(*, studies: int, slices: int, small: int, megabytes: int) -> tuple[Workload, ...]:
    """The three that are measured unless told otherwise."""
    return (
        Workload("ct", CT, studies, slices),
        Workload("small", SMALL_MR, 4, small),
        Workload("multi-frame", ultrasound(megabytes), 4, 1),
    )


def one_study(instances: int) -> Workload:
    """One study of so many small instances."""
    return Workload(f"{instances} instances", SMALL_MR, 1, instances)


def files(folder: Path) -> Iterator[bytes]:
    """The content of each file, in the order of their names."""
    for file in sorted(folder.iterdir()):
        yield file.read_bytes()
