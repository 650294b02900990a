"""Curves of task scores: what accuracy does with size, data and compute, and with the task's own loss."""
