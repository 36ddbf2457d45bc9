"""The processes: they wire cores and adapters together and read the clock."""
