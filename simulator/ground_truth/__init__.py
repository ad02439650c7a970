"""What was really sent and when."""
