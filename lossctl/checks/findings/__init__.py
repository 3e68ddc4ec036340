"""What a check looks for, and what it says of what it found."""
