"""The official code's options and checkpoints, and the parity with it."""
