"""Calls, cases and protocols: how urgent a case is, what is needed, and who decided it."""
