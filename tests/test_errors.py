"""Entry points end with a message and exit code 1, never with a half-told traceback."""

from __future__ import annotations

import subprocess
import sys


def run(body: str) -> subprocess.CompletedProcess[str]:
    code = f"from gptmill.errors import UserError, run\ndef main():\n    {body}\nrun(main)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


def test_user_error_is_a_message() -> None:
    done = run("raise UserError('file x, row 3: found y')")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "gptmill: error: file x, row 3: found y\n"


def test_full_disk_is_a_message() -> None:
    done = run("import errno; raise OSError(errno.ENOSPC, 'No space left on device', 'data/out')")
    assert done.returncode == 1
    assert "no disk space left while writing data/out" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_really_full_disk() -> None:
    done = run("open('/dev/full', 'w', buffering=1).write('x\\n')")
    assert done.returncode == 1
    assert done.stderr.startswith("gptmill: error: no disk space left")


def test_bugs_keep_their_traceback() -> None:
    done = run("raise ValueError('ours')")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_interrupt_is_not_success() -> None:
    assert run("raise KeyboardInterrupt").returncode == 130


def test_success_with_daft_loaded_flushes_and_runs_exit_handlers() -> None:
    done = run("import atexit, daft; atexit.register(print, 'bye'); print('out', end='')")
    assert (done.returncode, done.stdout) == (0, "outbye\n")


def test_failure_with_daft_loaded() -> None:
    done = run("import daft; raise UserError('no')")
    assert (done.returncode, done.stderr) == (1, "gptmill: error: no\n")


def test_a_command_may_choose_its_exit_code() -> None:
    code = "from gptmill.errors import run\nrun(lambda: 3)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 3
