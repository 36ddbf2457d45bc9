"""senderwatch's own workers over a broker and a clock that are made up: everything that happens follows from one seed.

docs/simulation.md says what is simulated, and how. `python -m tests.simulation --seeds 1-500` runs a campaign.
"""
