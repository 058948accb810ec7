"""Measures of a trained model, each a function that returns numbers."""
