"""Laws that hold without a broker."""
