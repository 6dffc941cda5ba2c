"""What browsers and other clients are told as it happens. The broker only rings; what is told is read from the rows."""
