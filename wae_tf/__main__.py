"""`python -m wae_tf` is `python -m wae_tf.main`."""

import sys

from wae_tf.console import interruption

if __name__ == "__main__":
    interruption.leave_at_once("wae_tf")

from wae_tf.main import program

if __name__ == "__main__":
    sys.exit(program())
