"""What was promised of speed, measured side by side with what it is compared to: `./dev bench`."""
