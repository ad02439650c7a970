"""The options a user can set: their declarations and how their values are read."""
