"""Counts every call. One log for all places, written by several processes."""
