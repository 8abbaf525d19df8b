"""Stands in for the job in tests of the demo's runner: writes a run folder and marks the demo's studies."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from sqlalchemy import update

from dicom_assets.demo.databases import connection
from dicom_assets.demo.home import fill
from dicom_assets.demo.plan import DemoStudy
from dicom_assets.demo.review_schema import review_metadata
from dicom_assets.demo.studies import demo_studies
from dicom_assets.study import STAGES

RUN_FOLDER = "run_at_20240902T080000Z_0123abcd"


def main(failing: str) -> int:
    """Publish and fail what is to be; with `failing` the last study is not published."""
    folder = Path(os.environ["DATA_DIR"]) / "runs" / RUN_FOLDER
    folder.mkdir(parents=True)
    studies = [study for study in demo_studies() if study.number in {2, 7}]
    with (folder / "events.jsonl").open("w") as file:
        for event in events(studies):
            file.write(json.dumps({"at": "2024-09-02T08:00:00Z", **event}) + "\n")
    (folder / "overview.txt").write_text("THE OVERVIEW\n")
    mark([study.number for study in studies if study.number == 2 and not failing], "image_published")
    mark([7], "processing_error")
    # The generated series of study 2 are all publishable, so they stand for what the research PACS receives.
    fill(Path(os.environ["DATA_DIR"]).parent / "research", studies[0])
    return 1


def events(studies: list[DemoStudy]) -> list[dict[str, object]]:
    """What a run of two studies tells, of which the second fails."""
    told: list[dict[str, object]] = [{"event": "studies_selected", "studies": len(studies), "left_out": 1}]
    for stage in STAGES:
        told.append({"event": "stage_started", "study": "SAAAA", "stage": stage, "instances": 48})
        told.append({"event": "stage_finished", "study": "SAAAA", "stage": stage, "instances": 48, "seconds": 0.5})
    told.append({"event": "study_failed", "study": "SBBBB", "stage": "registered", "reason": "no encounter"})
    return [*told, {"event": "run_finished", "published": 1, "failed": 1}]


def mark(numbers: list[int], column: str) -> None:
    """Set a flag on rows of the review database."""
    table = review_metadata().tables["staging_radiologystudy"]
    with connection(os.environ["REVIEW_DB_URL"]) as conn:
        conn.execute(update(table).where(table.c.id.in_(numbers)).values({column: True}))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
