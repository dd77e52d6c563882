"""Readers of DeepStream's configuration files."""
