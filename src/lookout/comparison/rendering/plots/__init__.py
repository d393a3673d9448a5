"""The plots: each is a function from some of the findings and a width to a figure."""
