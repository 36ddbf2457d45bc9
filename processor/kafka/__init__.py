"""Everything that speaks to Kafka, and nothing else does."""
