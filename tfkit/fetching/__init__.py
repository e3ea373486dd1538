"""Brings a model onto this machine: out of an archive, from a URL, from an object store."""
