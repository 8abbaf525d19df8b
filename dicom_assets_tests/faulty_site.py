"""A site whose connections break: a deployment between two Orthancs, a proxy before each of the three listeners.

What a test asserts here speaks of outcomes alone: of the job, the manifests, the databases and what the PACSs hold.
"""

from __future__ import annotations

import gc
import hashlib
import shutil
import sqlite3
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import dagster as dg
from pydicom import Dataset, dcmread

from dicom_assets.adapters.pacs.canary import ACCEPTANCE
from dicom_assets.demo.plan import DemoStudy
from dicom_assets.study import STAGES, Stage
from dicom_assets_tests.defs.test_bad_settings import message_of
from dicom_assets_tests.deployment import Deployment, deploy, free_port
from dicom_assets_tests.faults import Fault, FaultProxy, running_proxy
from dicom_assets_tests.leaks import leaks
from dicom_assets_tests.orthanc import Orthanc, running_orthanc
from dicom_assets_tests.scripted_pacs import WAIT_SECONDS
from dicom_assets_tests.small_studies import INSTANCES, manifest, sop_uids, write_files
from dicom_assets_tests.waiting import killed_job, wait_until

PATIENCE_SECONDS = 1
PREAMBLE_BYTES = 128


@dataclass
class Ends:
    """Two Orthancs and the proxies before what listens: both PACSs, our own Storage SCP, both PACSs' DICOMweb."""

    staging: Orthanc
    research: Orthanc
    to_staging: FaultProxy
    to_research: FaultProxy
    to_us: FaultProxy
    to_staging_web: FaultProxy
    to_research_web: FaultProxy
    study: DemoStudy

    @property
    def proxies(self) -> tuple[FaultProxy, ...]:
        return self.to_staging, self.to_research, self.to_us, self.to_staging_web, self.to_research_web

    def aim(self, local_port: int) -> None:
        """Let the proxies lead where they should; `local_port` is that of our Storage SCP."""
        self.to_staging.target_port = self.staging.dicom_port
        self.to_research.target_port = self.research.dicom_port
        self.to_us.target_port = local_port
        self.to_staging_web.target_port = self.staging.http_port
        self.to_research_web.target_port = self.research.http_port

    def let_go(self) -> None:
        """End all faults; what was held arrives late, which is waited for."""
        for proxy in self.proxies:
            proxy.clear()
        wait_until(lambda: not any(proxy.open_connections() for proxy in self.proxies), "the end of connections")

    def heal(self) -> None:
        """End all faults; connections that suffered from them end, too."""
        for proxy in self.proxies:
            proxy.clear()
            proxy.cut_all()
            proxy.accept()


@contextmanager
def running_ends(folder: Path, study: DemoStudy, *, dicomweb: bool = False) -> Iterator[Ends]:
    """The ends, with the study in the staging PACS."""
    with ExitStack() as stack:
        to_us = stack.enter_context(running_proxy(free_port()))
        destinations = {"DICOM_ASSETS": ("127.0.0.1", to_us.port)}
        staging, research = (
            stack.enter_context(running_orthanc(name, folder / name.lower(), destinations, dicomweb=dicomweb))
            for name in ("STAGING", "RESEARCH")
        )
        before = [
            stack.enter_context(running_proxy(port))
            for port in (staging.dicom_port, research.dicom_port, staging.http_port, research.http_port)
        ]
        load(staging, study, folder)
        stack.callback(_collect_sockets)
        yield Ends(staging, research, before[0], before[1], to_us, before[2], before[3], study)


def _collect_sockets() -> None:
    """Let sockets go here, and not in another test, that pynetdicom forgets to close once the other end reset them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def load(orthanc: Orthanc, study: DemoStudy, folder: Path) -> None:
    """Put the study in; its files are left in the folder."""
    for file in write_files(study, folder):
        orthanc.load(file.read_bytes())


@dataclass
class FaultySite:
    """A deployment of its own between ends that others have used before."""

    ends: Ends
    deployment: Deployment

    @property
    def study(self) -> DemoStudy:
        return self.ends.study

    @property
    def studies(self) -> Sequence[DemoStudy]:
        return [self.study]

    @property
    def folder(self) -> Path:
        """Where the study's stages are."""
        return self.deployment.data / "studies" / self.deployment.study_key(self.study.study_uid)

    def row_is_marked(self) -> bool:
        """Whether the study waits for a person."""
        return bool(self.deployment.study_row(self.study.study_uid)["processing_error"])


def new_site(ends: Ends, folder: Path, **settings: object) -> FaultySite:
    """A deployment that has done nothing yet, and a research PACS that holds nothing."""
    ends.research.empty()
    local_port = free_port()
    ends.aim(local_port)
    deployment = deploy(
        folder / "site",
        [ends.study],
        STAGING_PACS_PORT=ends.to_staging.port,
        RESEARCH_PACS_PORT=ends.to_research.port,
        STAGING_PACS_DICOMWEB_URL=f"http://127.0.0.1:{ends.to_staging_web.port}/dicom-web",
        RESEARCH_PACS_DICOMWEB_URL=f"http://127.0.0.1:{ends.to_research_web.port}/dicom-web",
        LOCAL_PORT=local_port,
        PACS_RETRY_SECONDS=PATIENCE_SECONDS,
        # What breaks is the move of a study; of a canary's move no fault gets past, as other tests show.
        STAGING_PACS_MOVE_WITHOUT_CANARY=ACCEPTANCE,
        **settings,
    )
    return FaultySite(ends, deployment)


def copied_site(template: FaultySite, ends: Ends, folder: Path) -> FaultySite:
    """A deployment that has done what the template has, and a research PACS that holds nothing."""
    ends.research.empty()
    old, new = template.deployment.folder, folder / "site"
    shutil.copytree(old, new)
    environment = {name: value.replace(str(old), str(new)) for name, value in template.deployment.environment.items()}
    ends.aim(int(environment["LOCAL_PORT"]))
    return FaultySite(ends, Deployment(new, environment))


@contextmanager
def killed_at(fault: Fault, kill: Callable[[], None]) -> Iterator[None]:
    """While the block runs, kill something when the fault has come to its place."""

    def wait_and_kill() -> None:
        fault.wait_until_fired(WAIT_SECONDS)
        kill()

    with ThreadPoolExecutor(1) as executor:
        killing = executor.submit(wait_and_kill)
        yield
        killing.result(WAIT_SECONDS)


def kill_run_at(site: FaultySite, fault: Fault) -> None:
    """Run the job in a process of its own, and kill that once the fault has come to its place."""
    with killed_job(site.deployment):
        fault.wait_until_fired(WAIT_SECONDS)


def assert_suffers(site: FaultySite, fault: Fault) -> None:
    """A run meets the fault, and fails in passing if at all; then connections hold again."""
    result = site.deployment.execute()
    assert fault.fired
    assert_failed_in_passing(site, result)
    site.ends.heal()


def assert_recovers(site: FaultySite) -> None:
    """The next run publishes everything, once."""
    assert site.deployment.execute().success
    assert_published_whole(site)


def assert_failed_in_passing(site: FaultySite, result: dg.ExecuteInProcessResult) -> None:
    """If the run failed, then for a reason that may pass, and saying nothing of the patient."""
    if not result.success:
        said = message_of(result)
        assert "Unexpected" not in said
        assert not any(identifier in said for identifier in site.study.identifiers)
    assert not site.row_is_marked(), site.deployment.overview()
    assert leaks(site) == []


def assert_published_whole(site: FaultySite) -> None:
    """The research PACS holds exactly what was de-identified, and nothing of the study is anywhere else."""
    staged, kept = dict(site.ends.staging.instances()), list(site.ends.research.instances())
    pulled = stage_files(site, Stage.PULLED)
    deidentified = stage_files(site, Stage.DEIDENTIFIED)
    assert sorted(staged) == sorted(sop_uids(site.study))
    assert pulled.keys() == staged.keys()
    assert all(parsed(pulled[uid]) == parsed(content) for uid, content in staged.items())
    assert len(deidentified) == INSTANCES
    assert not deidentified.keys() & staged.keys()
    assert sorted(uid for uid, _ in kept) == sorted(deidentified)
    assert all(parsed(content) == parsed(deidentified[uid]) for uid, content in kept)
    assert list(site.ends.research.studies()) == [
        manifest(site, site.study, Stage.DEIDENTIFIED)["instances"][0]["study_instance_uid"]
    ]
    _assert_told_once(site)
    _assert_nothing_is_left_over(site)
    assert leaks(site) == []


def stage_files(site: FaultySite, stage: Stage) -> Mapping[str, bytes]:
    """SOP Instance UID to file of each instance of a finished stage, which are what its manifest says."""
    found: dict[str, bytes] = {}
    entries = manifest(site, site.study, stage)["instances"]
    for entry in entries:
        content = (site.folder / stage / "instances" / entry["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
        found[str(parsed(content).SOPInstanceUID)] = content
    assert len(found) == len(entries), "an instance is there twice"
    return found


def parsed(content: bytes) -> Dataset:
    """The data set of a Part 10 file, with its transfer syntax."""
    ds = dcmread(BytesIO(content))
    ds.add_new(0x00091010, "UI", ds.file_meta.TransferSyntaxUID)
    return ds


def _assert_told_once(site: FaultySite) -> None:
    row = site.deployment.study_row(site.study.study_uid)
    assert row["image_published"]
    assert not row["processing_error"]
    with closing(sqlite3.connect(site.deployment.folder / "research.db")) as connection:
        rows = connection.execute("SELECT total_images FROM staging_radiologystudy WHERE study_uid <> ''").fetchall()
    assert rows == [(INSTANCES,)]
    key = site.deployment.study_key(site.study.study_uid)
    assert site.deployment.materialized() == {str(stage): {key} for stage in STAGES}


def _assert_nothing_is_left_over(site: FaultySite) -> None:
    """Files with images are nowhere but in the two stages, neither under other names nor in parts."""
    homes = {site.folder / stage / "instances" for stage in (Stage.PULLED, Stage.DEIDENTIFIED)}
    images = [file for file in site.deployment.folder.rglob("*") if file.is_file() and _is_dicom(file)]
    assert {file.parent for file in images} == homes
    assert len(images) == 2 * INSTANCES


def _is_dicom(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(PREAMBLE_BYTES + 4)[PREAMBLE_BYTES:] == b"DICM"
