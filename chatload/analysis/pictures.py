"""What the pictures are called that report.html and plots/ both draw: the question that each answers."""

SWIM_LANES = "Who waits, and when?"
TTFT = "How long do users wait for the first token?"
OVER_TIME = "Does the server hold up while users come and go?"
SPEEDS = "How fast does each conversation read?"
GAPS = "How evenly does the text flow?"
SERVER = "Does the server see what its users see?"
CAPACITY = "How many chat users does the server hold?"
