"""The scores of the models: sums by hand, files as they come, and a wrong model that is found."""
