"""Studies: the article's tables again, and what each knob of a server does. Uses chatload and the simulator."""
