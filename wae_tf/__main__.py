"""`python -m wae_tf` is `python -m wae_tf.main`."""

import sys

from wae_tf.main import main

if __name__ == "__main__":
    sys.exit(main())
