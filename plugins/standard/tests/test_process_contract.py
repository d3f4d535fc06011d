"""The process block against the contract of infrastructures."""

import sys

import pytest

from blocks_core.testing.infrastructure_suite import InfrastructureSuite
from blocks_standard import Process


class TestProcess(InfrastructureSuite):
    python = sys.executable

    @pytest.fixture
    def infrastructure(self, tmp_path):
        return Process(jobs_folder=tmp_path / "jobs", grace_seconds=2)

    @pytest.fixture
    def kept(self, tmp_path):
        return lambda: sorted(str(path) for path in tmp_path.glob("jobs/**/*"))
