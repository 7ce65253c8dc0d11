"""A run, or a training, as a value, and the built objects that it is made of.

runs       RunSpec -> Parts
training   TrainingSpec -> Materials and pairs
"""
