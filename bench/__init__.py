"""Figures, each beside its yardstick, side by side in one run."""
