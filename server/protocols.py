"""`regul protocols`: the triage room's own command line, evaluation, and stored cases."""

from server import evaluate, stored_cases
from triage import commands


def main(arguments: list[str]) -> int:
    """Run one subcommand.

    Args:
        arguments: The words after `regul protocols`.

    Returns:
        The exit code of the subcommand.
    """
    if arguments[:1] == ["evaluate"]:
        return evaluate.main(arguments[1:])
    if arguments[:1] == ["cases"]:
        return stored_cases.main(arguments[1:])
    return commands.main(arguments)
