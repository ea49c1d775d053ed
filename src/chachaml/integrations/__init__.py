"""Integrations with the libraries that people train with, one module for each."""
