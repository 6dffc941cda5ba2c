"""Conversations that we did not start (somebody rang, a widget, a call from the provider's pages), as journal calls."""
