"""The folder of a run: its files, checkpoints, and a copy at an address."""
