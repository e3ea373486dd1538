"""Recipes: one TOML file that says how a source becomes a bundle, and doing what it says."""
