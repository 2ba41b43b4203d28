"""The stage of tests/every, for what one operation alone must be tested for."""

from tests.every.conftest import fresh_stage, stage

__all__ = ["fresh_stage", "stage"]
