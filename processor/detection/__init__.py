"""The pure core of one partition: senders, cells, windows, limits, decisions."""
