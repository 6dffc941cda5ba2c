"""What is deleted for its age, and what stays."""
