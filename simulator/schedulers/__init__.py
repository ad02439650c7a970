"""How each server picks the next forward; one file each."""
