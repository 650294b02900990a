"""WHAT IT MEANS: one run table in; laws, curves, figures and the report out. No torch, no training."""
