"""The outbound spam policy: whom it applies to, its limits, and who is told."""
