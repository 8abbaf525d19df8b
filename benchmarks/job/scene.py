"""Where one run takes place, and what every contender has in common."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.job.orthanc import Node, Pacs, Tuning, free_port
from benchmarks.job.workloads import Workload


@dataclass(frozen=True, slots=True)
class Nodes:
    """Everybody on the network, the same for a whole benchmark: both PACSs know them all as destinations."""

    staging: Pacs
    research: Pacs
    ours: Node
    lanes: tuple[Node, ...]
    """The Storage SCPs of the shell pipeline."""

    @property
    def destinations(self) -> dict[str, Node]:
        """By the names that Orthanc calls them."""
        lanes = {f"lane{number}": node for number, node in enumerate(self.lanes)}
        return {"staging": self.staging.node, "research": self.research.node, "ours": self.ours, **lanes}


def new_nodes(lanes: int) -> Nodes:
    """Nodes on free ports."""
    return Nodes(
        Pacs(Node("STAGING", free_port()), free_port()),
        Pacs(Node("RESEARCH", free_port()), free_port()),
        Node("DICOM_ASSETS", free_port()),
        tuple(Node(f"LANE{number}", free_port()) for number in range(lanes)),
    )


@dataclass(frozen=True, slots=True)
class Scene:
    """One run's surroundings: both PACSs are up, the research PACS is empty, so is `folder`."""

    folder: Path
    corpus: Path
    workload: Workload
    tuning: Tuning
    nodes: Nodes


@dataclass(slots=True)
class Facts:
    """What a contender tells of its run beside its time.

    `instances` is left None where the research PACS tells; times are seconds, `stages` those of all studies together.
    """

    instances: int | None = None
    peak_bytes: int | None = None
    processes: int | None = None
    start_seconds: float | None = None
    end_seconds: float | None = None
    stages: dict[str, float] = field(default_factory=dict)


class Contender(Protocol):
    """Somebody who moves a workload from the staging PACS to the research PACS."""

    @property
    def name(self) -> str:
        """As the table names it."""

    def problem(self) -> str:
        """Why it can't run on this machine; empty if it can."""

    def prepared(self, scene: Scene) -> AbstractContextManager[Callable[[], Facts]]:
        """What is to be timed; what the block's begin and end do is not.

        Raises:
            RunFailedError: the work was not done.
        """
