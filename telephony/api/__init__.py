"""The published telephony endpoints: each parses, makes one call and shapes the answer."""
