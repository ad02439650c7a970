"""What tests and tunes chatload and the simulator; users need none of it."""
