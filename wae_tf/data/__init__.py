"""Data sets as bytes, decoded once, and the batches that training draws from them."""
