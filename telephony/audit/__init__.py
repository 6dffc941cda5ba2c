"""The audit: everything that always holds, derived anew from the rows of a live database, and counters set right."""
