"""The one way the command line says no: a plain sentence for a person, exit code 2."""


class Refusal(Exception):
    """A reason not to start that a person can act on.

    The command line prints it as one sentence on stderr and exits 2, without a traceback. Never
    put a password, a patient's identity or a DSN in it.
    """
