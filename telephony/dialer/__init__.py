"""The dialer: rows are the truth, bells and the sweep move them, and every outside action is claim → act → record."""
