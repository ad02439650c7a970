"""How each server selects the sequences of the next forward pass; one file each."""
