"""A hook of somebody's own has a process of its own: what it is told, how long it may take, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from dicom_assets.adapters.own_hook import process
from dicom_assets.adapters.own_hook.hook import UnlinkingOwnHook
from dicom_assets.adapters.own_hook.loading import load_hook, name_of, refusals_of
from dicom_assets.adapters.registration import load_registration
from dicom_assets.errors import ConfigurationError, RegistrationAwayError, RegistrationFailedError
from dicom_assets.study import PatientIdentity
from dicom_assets_tests.adapters.builders import MRN, a_registered_study, names_nothing_identified
from dicom_assets_tests.adapters.own_hooks import MODULE, hook_code, own_hook, write_module
from dicom_assets_tests.waiting import wait_until

SOMEBODY = PatientIdentity(MRN, "ISSUER", "Жанна=山田\udc80", "19700203")
HANG = "time.sleep(1000)"
SOON = 0.3


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that modules are imported from."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def see_them_end(*processes: int) -> None:
    for pid in processes:
        wait_until(lambda pid=pid: is_gone(pid), "the hook's processes to end")


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def all_of(thing: Any) -> Any:
    """All fields of a dataclass, hidden ones too."""
    return [all_of(getattr(thing, field.name)) for field in fields(thing)] if is_dataclass(thing) else thing


ALL_OF = """
from dataclasses import fields, is_dataclass
def all_of(thing):
    return [all_of(getattr(thing, field.name)) for field in fields(thing)] if is_dataclass(thing) else thing
"""


class TestWhatItIsTold:
    def test_patient_and_study_arrive_as_they_are_in_any_language(self, folder: Path) -> None:
        study = a_registered_study(patient=SOMEBODY)
        code = hook_code(
            alias_for=f"return str(all_of(patient) == {all_of(SOMEBODY)!r})",
            register=f"return {{'rows_inserted': int(all_of(study) == {all_of(study)!r})}}",
        )
        with own_hook(folder, ALL_OF + code) as hook:
            assert hook.name == "my own"
            assert hook.alias_for(SOMEBODY) == "True"
            assert hook.register(study) == {"rows_inserted": 1}

    def test_threads_are_answered_each_with_its_own(self, folder: Path) -> None:
        with (
            own_hook(folder, hook_code(alias_for="return 'R-' + patient.issuer")) as hook,
            ThreadPoolExecutor(8) as pool,
        ):
            asked = [str(number) for number in range(64)]
            said = pool.map(lambda issuer: hook.alias_for(PatientIdentity("X", issuer)), asked)
            assert list(said) == [f"R-{issuer}" for issuer in asked]

    def test_hook_that_takes_links_back_is_asked_to(self, folder: Path) -> None:
        code = hook_code() + "    def unlink(self, original, replacements):\n"
        code += "        return {'rows_unlinked': len(replacements), 'rows_left': int(original)}\n"
        with own_hook(folder, code) as hook:
            assert isinstance(hook, UnlinkingOwnHook)
            assert hook.unlink("7", {"1.2", "1.3"}) == {"rows_unlinked": 2, "rows_left": 7}

    def test_hook_that_does_not_is_not(self, folder: Path) -> None:
        with own_hook(folder, hook_code()) as hook:
            assert not hasattr(hook, "unlink")


class TestHowItEnds:
    def test_it_is_closed_and_all_that_it_started_is_gone(self, folder: Path) -> None:
        starts = "return f\"{os.getpid()}-{subprocess.Popen(['sleep', '1000']).pid}\""
        code = hook_code(alias_for=starts) + "    def close(self): open(__file__ + '.closed', 'w').close()\n"
        with own_hook(folder, code) as hook:
            processes = (hook.alias_for(SOMEBODY) or "").split("-")
        assert (folder / f"{MODULE}.py.closed").exists()
        see_them_end(*map(int, processes))

    def test_it_ends_with_the_process_that_started_it(self, folder: Path) -> None:
        write_module(folder, hook_code(alias_for="return str(os.getpid())"))
        code = (
            "import sys; from dicom_assets.adapters.own_hook.hook import open_own_hook; "
            "from dicom_assets.study import PatientIdentity; "
            f"hook = open_own_hook('{MODULE}:Hook', {{}}, 30.0); "
            "print(hook.alias_for(PatientIdentity('X')), flush=True); "
            "sys.stdin.read()"
        )
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
        with subprocess.Popen(
            [sys.executable, "-c", code], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as parent:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            assert not is_gone(pid)
            parent.send_signal(signal.SIGKILL)
        see_them_end(pid)


class TestWhenItDoesNotAnswer:
    @pytest.mark.parametrize("where", ["alias_for", "check", "register"])
    def test_the_study_fails_for_now(self, folder: Path, where: str) -> None:
        study = a_registered_study(patient=SOMEBODY)
        with own_hook(folder, hook_code(**{where: HANG}), SOON) as hook, pytest.raises(RegistrationAwayError) as caught:
            getattr(hook, where)(SOMEBODY if where == "alias_for" else study)
        assert str(caught.value) == (
            f"The registration hook's {where} did not answer within 0.3 s (REGISTRATION_TIMEOUT_SECONDS) and was "
            "ended: the next run tries again."
        )

    def test_it_is_ended_with_all_it_started_and_starts_anew_for_the_next_question(self, folder: Path) -> None:
        hangs = (
            f"if patient.issuer == 'hang':\n            open({str(folder / 'pids')!r}, 'w').write("
            "f\"{os.getpid()} {subprocess.Popen(['sleep', '1000']).pid}\")\n"
            f"            signal.signal(signal.SIGTERM, signal.SIG_IGN)\n            {HANG}\n"
            "        return str(os.getpid())"
        )
        with own_hook(folder, hook_code(alias_for=hangs), 1.0) as hook:
            with pytest.raises(RegistrationAwayError):
                hook.alias_for(PatientIdentity("X", "hang"))
            hung, left_behind = map(int, (folder / "pids").read_text().split())
            see_them_end(hung, left_behind)
            assert hook.alias_for(PatientIdentity("X")) != str(hung)

    def test_the_run_does_not_begin_while_it_is_loaded(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(process, "LEAST_LOAD_SECONDS", SOON)
        with (
            pytest.raises(ConfigurationError, match=r"REGISTRATION_HOOK: .*not loaded within 0\.3 s"),
            own_hook(folder, HANG, SOON),
        ):
            pass

    @pytest.mark.parametrize("dies", ["os._exit(0)", "os.kill(os.getpid(), signal.SIGKILL)"])
    def test_because_its_process_died_the_study_fails_until_a_person_acts(self, folder: Path, dies: str) -> None:
        said = r"^The registration hook's process died in register\.$"
        with own_hook(folder, hook_code(register=dies)) as hook, pytest.raises(RegistrationFailedError, match=said):
            hook.register(a_registered_study())

    def test_because_its_process_died_while_it_was_loaded_the_run_does_not_begin(self, folder: Path) -> None:
        with (
            pytest.raises(ConfigurationError, match="REGISTRATION_HOOK: its process died"),
            own_hook(folder, "os._exit(3)"),
        ):
            pass

    def test_and_can_not_be_loaded_again_the_study_fails_for_now(self, folder: Path) -> None:
        with own_hook(folder, hook_code(register="os._exit(3)")) as hook:
            with pytest.raises(RegistrationFailedError):
                hook.register(a_registered_study())
            write_module(folder, "raise ValueError('SENTINEL')")
            with pytest.raises(RegistrationAwayError, match=f"importing {MODULE} fails: ValueError") as caught:
                hook.register(a_registered_study())
        assert names_nothing_identified(str(caught.value))


HOOKS = """
class Taken(Hook):
    def __init__(self, research_db_url="", read_only=None): self.name = f"{research_db_url} {read_only}"
class Plain(Hook):
    refusals = ()
def made(): return Hook()
instance = Taken("before", "all")
class Nested:
    Inner = Plain

class WithoutRegister:
    name = "incomplete"
    alias_for = check = len
class Nameless(Hook):
    name = None
class Blank(Hook):
    name = " "
class Lines(Hook):
    name = "a\\nb"
class Odd(Hook):
    refusals = "No record"
class Shy(Hook):
    @property
    def name(self): raise ValueError("SENTINEL")
def failing(): raise RuntimeError("SENTINEL")
def exiting(): sys.exit("SENTINEL")
def refusing(): raise ConfigurationError("set MY_SETTING")
def demanding(password): return Hook()
"""


class TestWhichHookIsTaken:
    @pytest.fixture
    def modules(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Modules that are imported anew by each test."""
        write_module(folder, hook_code() + HOOKS)
        (folder / "broken_hook_module.py").write_text("1 / 0")
        (folder / "not_python.py").write_text("SENTINEL sentinel")
        monkeypatch.delitem(sys.modules, MODULE, raising=False)
        return folder

    @pytest.mark.parametrize(
        ("place", "name"),
        [
            ("Taken", "sqlite:///x True"),
            ("Plain", "my own"),
            ("made", "my own"),
            ("instance", "before all"),
            ("Nested.Inner", "my own"),
        ],
    )
    def test_class_or_function_is_called_with_what_it_asks_for_and_an_instance_is_taken(
        self, modules: Path, place: str, name: str
    ) -> None:
        hook = load_hook(f"{MODULE}:{place}", {"research_db_url": "sqlite:///x", "read_only": True})
        assert name_of(hook) == name

    def test_setting_names_the_hook(self, modules: Path) -> None:
        hook: Any = load_registration(f" {MODULE}:Taken ", "sqlite:///x", read_only=True)
        with closing(hook):
            assert hook.name == "sqlite:///x True"

    @pytest.mark.parametrize("spec", ["nonsense", "a:", ":a", ":"])
    def test_setting_that_names_none_says_what_to_write(self, spec: str) -> None:
        with pytest.raises(ConfigurationError, match="write none, research_database, or module:object"):
            load_registration(spec, "")

    def test_setting_that_names_an_absent_module_says_so(self) -> None:
        with pytest.raises(ConfigurationError, match="REGISTRATION_HOOK: there is no module no_such_module_x"):
            load_registration("no_such_module_x:hook", "")

    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            ("no_such_module_x:hook", "no module no_such_module_x"),
            (f"{MODULE}:absent", "has no absent"),
            (f"{MODULE}:Hook.absent", "has no Hook.absent"),
            (f"{MODULE}:Odd.name", "no method alias_for, check, register"),
            (f"{MODULE}:WithoutRegister", "no method register"),
            (f"{MODULE}:Nameless", "needs a `name`"),
            (f"{MODULE}:Blank", "needs a `name`"),
            (f"{MODULE}:Lines", "needs a `name`"),
            (f"{MODULE}:Shy", "reading its `name` fails: ValueError"),
            (f"{MODULE}:Odd", "`refusals` must be texts"),
            (f"{MODULE}:failing", "making the hook fails: RuntimeError"),
            (f"{MODULE}:exiting", "making the hook fails: SystemExit"),
            (f"{MODULE}:refusing", "set MY_SETTING"),
            (f"{MODULE}:demanding", "making the hook fails: TypeError"),
            ("broken_hook_module:hook", "importing broken_hook_module fails: ZeroDivisionError"),
            ("not_python:hook", "importing not_python fails: SyntaxError"),
        ],
    )
    def test_hook_that_cannot_be_had_is_told_in_words(self, modules: Path, spec: str, message: str) -> None:
        def load() -> None:
            hook = load_hook(spec, {})
            name_of(hook)
            refusals_of(hook)

        with pytest.raises(ConfigurationError, match=f"^REGISTRATION_HOOK: .*{message}|^{message}$") as caught:
            load()
        assert names_nothing_identified(str(caught.value))

    @pytest.mark.parametrize("seconds", [0, -1])
    def test_time_limit_must_be_a_second_at_least(self, seconds: int) -> None:
        with pytest.raises(ConfigurationError, match="REGISTRATION_TIMEOUT_SECONDS must be 1 or more"):
            load_registration("none", "", timeout_seconds=seconds)
