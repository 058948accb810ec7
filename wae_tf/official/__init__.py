"""Holding the port against the official code: record there, replay here, exchange weights."""
