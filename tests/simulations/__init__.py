"""Tests of simulations/."""
