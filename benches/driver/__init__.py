"""Runs the clients of the benchmark side by side, and makes something of what they say."""
