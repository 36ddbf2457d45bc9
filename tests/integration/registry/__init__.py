"""A registry of its own."""
