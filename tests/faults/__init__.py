"""Fault campaigns: real brokers, real workers, everything that can break does, and in the end nothing is lost or twice.

`python -m tests.faults --help`, or `make faults SEED=7 DURATION=600`; docs/faults.md says what is done and what is checked.
"""
