"""The replication report's code (github.com/josephdviviano/wae), beside which this one can be run."""
