"""Encoders, decoders and adversaries, and the layers that they are made of."""
