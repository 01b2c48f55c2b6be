"""`regul protocols`: the triage room's own command line, and the evaluation on labelled cases."""

from server import evaluate
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
    return commands.main(arguments)
