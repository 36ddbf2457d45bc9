"""Laws that only a real Kafka can show."""
