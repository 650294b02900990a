"""WHICH runs are wanted: one short file a question, and the one command."""
