"""`dicom-assets rerun-last`: the last run of the job once more."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import click

EXAMPLES = """
\b
Examples:
  dicom-assets rerun-last              the last run's config and partitions once more
  dicom-assets rerun-last --print      what that would be, as a command and its config
"""

JOB = "publish_reviewed_studies"
# Tags that say which studies a run is for; all others are Dagster's own notes on how it was launched.
PARTITION_TAGS = ("dagster/partition", "dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@click.command("rerun-last", epilog=EXAMPLES)
@click.option("--print", "only_print", is_flag=True, help="Run nothing; print the command and its run config.")
def rerun_last(only_print: bool) -> None:
    """Run the job again as it was run last: the same run config and, if it had any, the same partitions.

    Stages that are up to date are passed over, so this does what is missing. Needs DAGSTER_HOME, where Dagster keeps
    its runs.

    Exits with the job's exit code: 0 when all studies got through, 1 when some did not or there was no run yet; 2 when
    the command was given wrongly.
    """
    import dagster as dg
    import yaml

    with dg.DagsterInstance.get() as instance:
        last = instance.get_runs(filters=dg.RunsFilter(job_name=JOB), limit=1)
    if not last:
        raise click.ClickException("This instance of Dagster has no run of the job yet: check DAGSTER_HOME.")
    config = yaml.safe_dump(dict(last[0].run_config))
    tags = {name: value for name, value in last[0].tags.items() if name in PARTITION_TAGS}
    command = [sys.executable, "-m", "dagster", "job", "execute", "-m", "dicom_assets.definitions", "-j", JOB]
    command += ["--tags", json.dumps(tags)] if tags else []
    if only_print:
        click.echo(" ".join(command))
        click.echo(config, nl=False)
        return
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "run.yaml"
        file.write_text(config, encoding="utf-8")
        sys.exit(subprocess.run([*command, "-c", str(file)], check=False).returncode)
