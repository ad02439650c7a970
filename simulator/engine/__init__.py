"""The engine in virtual and in real time, and what a step costs."""
