"""The option that rewrites what the worlds expect."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-worlds", action="store_true", help="write expected.diag of every world anew")
