"""Wasserstein auto-encoders as Keras models: the objective and the step, a penalty a file."""
