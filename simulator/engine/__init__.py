"""The engine in virtual and in real time, and the duration of its steps."""
