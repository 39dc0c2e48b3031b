"""Hypothesis strategies that several rooms share."""
