"""The stream truth table: replies with exact bytes and times, and what a client must report of each."""
