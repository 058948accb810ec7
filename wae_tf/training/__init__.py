"""From a Config to a trained model in the folder of its run."""
