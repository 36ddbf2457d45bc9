"""Fuzzing: everything that reads what others wrote is given what nobody would write (docs/fuzzing.md)."""
