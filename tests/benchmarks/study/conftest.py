"""Tables of the study in a folder of the test's own."""

import pytest

from benchmarks.study import results


@pytest.fixture
def tables(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "STUDIES", tmp_path)
    return tmp_path
