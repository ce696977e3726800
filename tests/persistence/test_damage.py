import subprocess
import sys

import pytest

pytest.importorskip("skops")


def test_damaged_files_are_refused_or_equal(models, files, tmp_path):
    from tests.persistence.fuzz import run

    found = run("damaged", 1500, 7, models, files, tmp_path)
    assert found["refused"] > 1400
    assert set(found) <= {"refused", "equal"}


def test_forged_files_are_refused_or_answer(models, files, tmp_path):
    """Or fail in words: compiled code that is led astray would end the process."""
    from tests.persistence.fuzz import run

    found = run("forged", 140, 7, models, files, tmp_path)
    assert found["refused"] > 40
    assert found["refused in lines"] == 0
    assert found.total() == 140


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "n_files"), [("damaged", 1_200), ("forged", 10_000)])
def test_many_files(kind, n_files):
    """10,000 forged ones of each of 87 models; it takes hours."""
    command = [sys.executable, "-m", "tests.persistence.fuzz", kind, str(n_files)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"| all | {87 * n_files:,} |" in done.stdout
