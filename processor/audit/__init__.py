"""The pure core of an audit: the log lives again, and what was published is held against it."""
