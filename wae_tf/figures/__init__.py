"""Pictures of data, models and runs, as PNG files."""
