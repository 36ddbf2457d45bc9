"""What a record costs: `python -m bench` measures the detector beside a consumer that does nothing (bench/README.md)."""
