"""The command line: flags to a Config, and a function for each mode."""
