"""The life of a restriction and the events that tell of it."""
