"""Modules with registration hooks of somebody's own, written for a test and then loaded as a deployment would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from dicom_assets.adapters.own_hook.hook import OwnHook, open_own_hook

MODULE = "hook_of_my_own"
PATIENCE_SECONDS = 30.0
HEAD = """
import os, signal, subprocess, sys, time
from dicom_assets.errors import ConfigurationError, RegistrationRefusedError, StudyError, TransientError
"""
HOOK = """
class Hook:
    name = "my own"
    refusals = ("No record",)

    def alias_for(self, patient):
        {alias_for}

    def check(self, study):
        {check}

    def register(self, study):
        {register}
"""
PUPPET = """
def does(what):
    raise what


class Hook:
    name = "puppet"
    refusals = ("No record",)

    def alias_for(self, patient):
        return eval(patient.issuer)

    def check(self, study):
        return eval(study.modality)

    def register(self, study):
        return eval(study.sop_class_uid)
"""
"""Does what it is told to, as expressions in places where no real value is of any length."""


def write_module(folder: Path, code: str) -> None:
    """Write the module of the hook."""
    (folder / f"{MODULE}.py").write_text(HEAD + code)


def hook_code(*, alias_for: str = "return None", check: str = "return None", register: str = "return {}") -> str:
    """A hook whose methods have these bodies."""
    return HOOK.format(alias_for=alias_for, check=check, register=register)


@contextmanager
def own_hook(folder: Path, code: str, seconds: float = PATIENCE_SECONDS) -> Iterator[OwnHook]:
    """A hook of which the module, in a folder of sys.path, says this."""
    write_module(folder, code)
    with closing(open_own_hook(f"{MODULE}:Hook", {}, seconds)) as hook:
        yield hook
