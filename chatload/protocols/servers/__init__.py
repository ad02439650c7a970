"""The kinds of servers that are recognised, one file each."""
