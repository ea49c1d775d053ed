"""Sweeps: a function tried with many params, each trial a run, by grid, at random or by Optuna."""
