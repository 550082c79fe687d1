"""One worker for all cases, and its table at the end."""

from collections.abc import Iterator

import pytest

from tests.fuzz.fuzzer import Fuzzer

_RUN = pytest.StashKey[Fuzzer]()


@pytest.fixture(scope="session")
def fuzzer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fuzzer]:
    made = Fuzzer(tmp_path_factory.mktemp("fuzz"))
    request.config.stash[_RUN] = made
    yield made
    made.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    made = terminalreporter.config.stash.get(_RUN, None)
    if made and made.found:
        terminalreporter.write_sep("-", "files that were changed")
        terminalreporter.write_line(made.table())
