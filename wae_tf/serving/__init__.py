"""A trained model for TF Serving and other runtimes."""
