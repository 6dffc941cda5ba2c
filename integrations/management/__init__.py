"""Management commands of the provider floor."""
