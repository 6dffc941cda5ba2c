"""Agents, and the phone providers that they answer, over HTTP."""
