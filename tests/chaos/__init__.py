"""`./dev chaos`: real processes, killed and cut off by a seeded plan while campaigns run; then ledger and journal."""
