"""Records of what was really sent and when."""
