"""Every command of the guides is run as it stands, or it is told why not."""

import signal

import pytest

from tests.guide_commands import Command, commands
from tests.guide_folder import GuideFolder
from tests.guide_runs import NOT_RUN, OTHERS, PROGRAMS, arguments, why_not

# A command of several guides is run once.
SHOWN = tuple({command.words: command for command in reversed(commands())}.values())[::-1]
RUN = [command for command in SHOWN if why_not(command) is None]
SERVED = 128 + signal.SIGTERM


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> GuideFolder:
    """The reader's folder, where what one command wrote lies for the next."""
    return GuideFolder(tmp_path_factory.mktemp("reader"))


@pytest.mark.slow
@pytest.mark.parametrize("command", RUN, ids=str)
def test_every_command_of_the_guides_runs(command: Command, folder: GuideFolder, monkeypatch) -> None:
    monkeypatch.chdir(folder.path)
    monkeypatch.setattr("sys.argv", ["pytest"])  # which the commands change
    if not command.name:
        assert folder.run_program(command.words[0], arguments(command, str(folder.path))) == 0
        return
    expected = SERVED if command.name == "serve" else 0
    assert folder.run(command.name, arguments(command, str(folder.path))) == expected


def test_every_command_is_run_or_has_a_reason() -> None:
    for command in SHOWN:
        assert why_not(command) or command.name or command.words[0] in PROGRAMS, command


def test_few_commands_are_not_run_and_no_reason_outlives_its_command() -> None:
    words = {word for command in SHOWN for word in command.words}
    assert {*NOT_RUN, *OTHERS} <= words
    ours = [command for command in commands() if command.name]
    assert len([command for command in ours if why_not(command)]) < len(ours) / 12
