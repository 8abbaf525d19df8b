"""gdcmanon, the whole folder in one process; it asks for a certificate, which is made for it."""

import subprocess
from pathlib import Path

import harness


def prepare(job: harness.Job) -> harness.FolderEngine:
    """`gdcmanon --de-identify` over a folder; what it does not write has failed."""
    certificate = _certificate(Path(job["scratch"]))

    def run(source: Path, target: Path) -> harness.Failed:
        command = [job["program"], "-e", "-c", certificate, "--continue", "-r", "-i", source, "-o", target]
        ended = subprocess.run(command, capture_output=True, check=False)
        if ended.returncode:
            _one_by_one(command[:4], source, target)
        return {file.name: "not written" for file in source.iterdir() if not (target / file.name).exists()}

    return harness.FolderEngine(run)


def _one_by_one(command: list[str], source: Path, target: Path) -> None:
    # It stops at the first file that it can't do.
    for file in source.iterdir():
        if not (target / file.name).exists():
            done = subprocess.run([*command, "-i", file, "-o", target / file.name], capture_output=True, check=False)
            if done.returncode:
                (target / file.name).unlink(missing_ok=True)


def _certificate(folder: Path) -> str:
    file = folder / "certificate.pem"
    wanted = ["-newkey", "rsa:2048", "-nodes", "-keyout", folder / "key.pem", "-out", file, "-subj", "/CN=benchmark"]
    subprocess.run(["openssl", "req", "-x509", *wanted], check=True, capture_output=True)
    return str(file)


harness.main(prepare)
