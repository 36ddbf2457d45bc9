"""Quix Streams, in an environment of its own: `make contenders` makes it."""
