"""The journal: what it lists, what it counts, and that its cursors skip nothing."""
