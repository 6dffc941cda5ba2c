"""The telephony endpoints, over HTTP."""
