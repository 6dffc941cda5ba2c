"""What is deleted when it is old enough, as each workspace has it in its settings; nothing unless it says so."""
