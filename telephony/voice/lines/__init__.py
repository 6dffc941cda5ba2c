"""The lines to PBXs: one holder per ARI application dials what the rows say, and writes down what became of it."""
