"""PNG files of what a model makes and how its training went."""
