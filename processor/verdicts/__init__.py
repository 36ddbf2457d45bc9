"""What comes in: message verdicts, their decoding, importers and the generator."""
